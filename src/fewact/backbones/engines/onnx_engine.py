"""The engine ``onnx``: ONNX Runtime on a CPU, with the graphs that come with fewact.

A graph has no weights; it names them. They come from the network, whose weights were read and
checked as for every engine. In int8 they are rounded when they are read: activations have eight
bits without a sign, weights eight bits with one, a scale for each output channel and the zero point
0; the scales of activations are part of a graph.
"""

import hashlib
import importlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.backbones.card import EngineName, Level
from fewact.backbones.engines.torch_engine import folded_tensors
from fewact.backbones.network import Network
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import WeightsError

PACKAGE = "onnxruntime"
ERRORS_ONLY = 3
IMAGES = "images"
PREFIX = "network."
"""Beginning of the names of a network's tensors in a graph."""

LARGEST = 127
PACKAGED = Path(__file__).parent / "packaged"
PROBE = PACKAGED / "products-of-int8.onnx"
FACTS = "graphs.json"
FACTS_FILE = FileType("list of graphs", WeightsError, 16 * MIB)
GRAPH_FILE = FileType("graph of a network", WeightsError, 64 * MIB)

# ONNX Runtime 1.31 sends facts about its sessions to Microsoft, on Linux too, unless this is set
# before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class Graph:
    """ONNX model of a part of a network, without weights.

    Args:
        name: Name of the part.
        inputs: Names of its inputs: ``images``, or a level of a part before.
        outputs: Levels that it computes.
        weights: Names of its weights.
        content: Bytes of the model.
        scales: Scale of the input of each layer by its name, in int8; empty in float32.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[Level, ...]
    weights: tuple[str, ...]
    content: bytes
    scales: Mapping[str, float] = field(default_factory=dict)


def read_graphs(folder: Path) -> tuple[Graph, ...]:
    """Return the graphs of a folder in the order of computation; none if it has none.

    Raises:
        WeightsError: They are damaged.
    """
    if not folder.is_dir():
        return ()
    graphs = []
    for facts in FACTS_FILE.json(folder / FACTS)["graphs"]:
        path = folder / f"{facts['name']}.onnx"
        content = GRAPH_FILE.content(path)
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise WeightsError(
                "this graph is damaged", where=str(path), hint="Install fewact again."
            )
        graphs.append(
            Graph(
                name=facts["name"],
                inputs=tuple(facts["inputs"]),
                outputs=tuple(facts["outputs"]),
                weights=tuple(facts["weights"]),
                content=content,
                scales=facts.get("scales", {}),
            )
        )
    return tuple(graphs)


def graph_tensors(network: Network) -> dict[str, Tensor]:
    """Return all tensors of a network, with batch norm folded, under their names in graphs."""
    return {PREFIX + name: tensor for name, tensor in folded_tensors(network).items()}


class OnnxEngine:
    """Runs the graphs of a network, one after the other, in the thread that calls.

    A run has the fewest images that the network takes, and one thread. So features depend neither
    on the other images nor on the number of threads, to the last bit.

    Args:
        graphs: Graphs in the order of computation.
        tensors: Weights of the graphs by name.
        images_at_once: Number of images of a run.

    Raises:
        Exception: ONNX Runtime cannot read a graph; it raises errors of many types.
    """

    name: EngineName = "onnx"
    memory_format = torch.contiguous_format

    def __init__(
        self, graphs: Sequence[Graph], tensors: Mapping[str, Tensor], images_at_once: int
    ) -> None:
        self.images_at_once = images_at_once
        self._graphs = [(graph, _session(graph, tensors)) for graph in graphs]
        self._inputs = {name for graph in graphs for name in graph.inputs}

    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, see ``Engine``."""
        arrays: dict[str, Any] = {IMAGES: images.contiguous().numpy()}
        for graph, session in self._graphs:
            missing = {str(level) for level in levels} - arrays.keys()
            if not missing:
                break
            if not missing <= set(graph.outputs):
                missing |= self._inputs
            outputs = [name for name in graph.outputs if name in missing]
            values = session.run(outputs, {name: arrays[name] for name in graph.inputs})
            arrays |= dict(zip(outputs, values, strict=True))
        return {level: torch.from_numpy(arrays[level]) for level in levels}


def _session(graph: Graph, tensors: Mapping[str, Tensor]) -> Any:
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    arrays = [np.ascontiguousarray(tensors[name].numpy()) for name in graph.weights]
    values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    options.add_external_initializers(list(graph.weights), values)
    return runtime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])


def rounded(tensors: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """Return the weights of a graph in int8 under their names in it.

    Weights w (c …) of a layer become round(w / s) with s = max |w| / 127 for each of the c output
    channels, its biases round(b / (s a)) as int32, where a is the scale of the layer's input.

    Args:
        tensors: Weights in float32: ``NAME.weight`` and ``NAME.bias`` of each layer.
        scales: Scale of the input by the layer's name.
    """
    weights: dict[str, Tensor] = {}
    for layer, scale_in in scales.items():
        weight, bias = (tensors[f"{layer}.{name}"].double() for name in ("weight", "bias"))
        scale = weight.flatten(1).abs().amax(1) / LARGEST  # (c)
        scale = torch.where(scale > 0, scale, 1.0).float()
        shape = (-1,) + (1,) * (weight.dim() - 1)
        largest = torch.iinfo(torch.int32).max
        scale_bias = scale * scale_in
        weights |= {
            f"{layer}.weight_quantized": (weight / scale.view(shape)).round().to(torch.int8),
            f"{layer}.weight_scale": scale,
            f"{layer}.weight_zero_point": torch.zeros(len(scale), dtype=torch.int8),
            f"{layer}.bias_quantized": (bias / scale_bias)
            .round()
            .clamp(-largest, largest)
            .to(torch.int32),
            f"{layer}.bias_quantized_scale": scale_bias,
            f"{layer}.bias_quantized_zero_point": torch.zeros(len(scale), dtype=torch.int32),
        }
    return weights


def saturates() -> bool:
    """Return whether ONNX Runtime's sums of products of eight-bit numbers saturate here.

    x86 processors without VNNI add two products in 16 bits, so that features would be others.
    """
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        PROBE.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    size = 64
    unsigned = np.full((size, size), 255, np.uint8)
    signed = np.full((size, size), LARGEST, np.int8)
    (sums,) = session.run(None, {"left": unsigned, "right": signed})
    return bool((sums != 255 * LARGEST * size).any())
