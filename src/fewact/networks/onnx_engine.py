"""Features by ONNX Runtime: on a CPU in float32 and int8, on a CUDA GPU in float32.

In int8 weights are rounded when they are read. They are signed, with a scale for each output
channel and the zero point 0. Activations are unsigned; their scales are part of a graph.
"""

import hashlib
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OptionError, WeightsError
from fewact.core.workers import side_by_side
from fewact.networks.backbone import normalised
from fewact.networks.card import Card, Device, EngineName, Level
from fewact.networks.packaged import GRAPHS_FOLDER

RUNTIME = "onnxruntime"
CPU_PROVIDER, CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"

SILENT = 4
"""Level of ONNX Runtime's messages at which a provider that cannot be loaded prints none."""

IMAGE_INPUT = "images"
"""Name of the input of a graph that is not a level of another graph."""

PREFIX = "network."
"""Beginning of the names of a network's tensors in a graph."""

LARGEST_INT8 = 127
GRAPH_LIST = "graphs.json"
FACTS_FILE = FileType("list of graphs", WeightsError, 16 * MIB)
GRAPH_FILE = FileType("graph of a network", WeightsError, 64 * MIB)
PROBE = GRAPHS_FOLDER / "products-of-int8.onnx"

NORMALISED_AT_ONCE = 2**17
"""Most values of images that are normalised together before some of them run."""

# ONNX Runtime 1.31 sends facts about its sessions to Microsoft, on Linux too, unless this is set
# before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class Graph:
    """ONNX model of a part of a network, without weights.

    Args:
        name: Name of the part.
        inputs: Names of its inputs: ``images``, or a level that an earlier graph computes.
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
    for facts in FACTS_FILE.json(folder / GRAPH_LIST)["graphs"]:
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


class OnnxEngine:
    """Runs the graphs of a network, one after the other.

    A run has one image and one thread. So the features of an image do not depend on other images
    or on the number of threads, to the last bit.

    Args:
        graphs: Graphs in the order of computation.
        tensors: Weights of the graphs by name, batch norm folded.
        card: Card of the network.
        device: ``cpu``, ``cuda``, ``cuda:1``, …

    Raises:
        OptionError: ONNX Runtime is missing, cannot run the graphs, or has no such device.
    """

    name: EngineName = "onnx"
    frames_together = 1

    def __init__(
        self,
        graphs: Sequence[Graph],
        tensors: Mapping[str, NDArray[Any]],
        card: Card,
        device: Device = "cpu",
    ) -> None:
        # Sessions read the arrays where they are, so these are kept.
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        self.device = device
        self._made = graphs, tensors, card, device
        self._card = card
        self._graphs = [(graph, _session(graph, tensors, device)) for graph in graphs]
        self._inputs = {name for graph in graphs for name in graph.inputs}

    def __reduce__(self) -> tuple[Any, ...]:
        """Make the sessions of a copy again: they cannot be copied."""
        return OnnxEngine, self._made

    def run(
        self, frames: NDArray[np.uint8], levels: Sequence[Level]
    ) -> dict[Level, NDArray[np.float32]]:
        """Return features of prepared frames, see ``Engine``."""
        # Small images are normalised several at a time: a call takes longer than its work.
        at_once = max(1, NORMALISED_AT_ONCE // frames[0].size)
        groups = [frames[i : i + at_once] for i in range(0, len(frames), at_once)]

        def run(group: NDArray[np.uint8]) -> list[dict[Level, NDArray[np.float32]]]:
            images = normalised(group, self._card)
            return [self._run(image[None], levels) for image in images]

        on_cpu = self.device == "cpu"
        runs = list(chain.from_iterable(side_by_side(run, groups) if on_cpu else map(run, groups)))
        return {level: np.concatenate([features[level] for features in runs]) for level in levels}

    def _run(
        self, image: NDArray[np.float32], levels: Sequence[Level]
    ) -> dict[Level, NDArray[np.float32]]:
        """Return features of a normalised image (1 3 H W)."""
        arrays: dict[str, Any] = {IMAGE_INPUT: image}
        for graph, session in self._graphs:
            missing = {str(level) for level in levels} - arrays.keys()
            if not missing:
                break
            if not missing <= set(graph.outputs):
                missing |= self._inputs
            outputs = [name for name in graph.outputs if name in missing]
            values = session.run(outputs, {name: arrays[name] for name in graph.inputs})
            arrays |= dict(zip(outputs, values, strict=True))
        return {level: arrays[level] for level in levels}


def _session(graph: Graph, tensors: Mapping[str, NDArray[Any]], device: Device) -> Any:
    runtime = _runtime()
    if device != "cpu" and not has_cuda():
        raise _no_device(device)
    options = _options(runtime)
    values = [runtime.OrtValue.ortvalue_from_numpy(tensors[name]) for name in graph.weights]
    try:
        options.add_external_initializers(list(graph.weights), values)
        session = runtime.InferenceSession(
            graph.content, options, providers=_providers(device), enable_fallback=0
        )
    except MemoryError:
        raise
    except Exception as error:  # its type depends on why the graph cannot be run
        raise OptionError(
            "ONNX Runtime cannot run the network", where=graph.name, got=_reason(error)
        ) from error
    if session.get_providers()[0] != (CPU_PROVIDER if device == "cpu" else CUDA_PROVIDER):
        raise _no_device(device)
    return session


def _no_device(device: Device) -> OptionError:
    return OptionError(
        "ONNX Runtime cannot use the device",
        where="device",
        got=repr(device),
        hint="A CUDA GPU needs its build for GPUs: pip install onnxruntime-gpu.",
    )


def _options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    return options


def _providers(device: Device) -> list[Any]:
    """Return the execution providers of a graph, the best one first."""
    if device == "cpu":
        return [CPU_PROVIDER]
    number = device.partition(":")[2] or "0"
    # By default inputs of products are rounded to ten bits (TF32).
    return [(CUDA_PROVIDER, {"device_id": number, "use_tf32": "0"}), CPU_PROVIDER]


def has_cuda() -> bool:
    """Return whether ONNX Runtime was built for CUDA GPUs; there may be none."""
    return CUDA_PROVIDER in _runtime().get_available_providers()


def _runtime() -> Any:
    try:
        return importlib.import_module(RUNTIME)
    except (ImportError, OSError) as error:  # such as a missing library of the system
        raise OptionError(
            "ONNX Runtime cannot be loaded",
            where="engine",
            got=_reason(error),
            hint="Run: pip install --force-reinstall onnxruntime",
        ) from error


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def rounded(
    tensors: Mapping[str, NDArray[np.float32]], scales: Mapping[str, float]
) -> dict[str, NDArray[Any]]:
    """Return the weights of a graph in int8 under their names in it.

    Weights w (c …) of a layer become round(w / s), with the scale s = max |w| / 127 of each output
    channel. Biases b (c) become round(b / (s a)) as int32; a is the scale of the layer's input.

    Args:
        tensors: Weights in float32: ``NAME.weight`` and ``NAME.bias`` of each layer.
        scales: Scale of the input by the layer's name.
    """
    weights: dict[str, NDArray[Any]] = {}
    for layer, scale_in in scales.items():
        weight, bias = (
            tensors[f"{layer}.{name}"].astype(np.float64) for name in ("weight", "bias")
        )
        scale = np.abs(weight).reshape(len(weight), -1).max(1) / LARGEST_INT8  # (c)
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        scale_bias = scale * np.float32(scale_in)
        largest = np.iinfo(np.int32).max
        by_channel = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        zeros = np.zeros(len(scale), np.int8)
        weights |= {
            f"{layer}.weight_quantized": np.rint(weight / by_channel).astype(np.int8),
            f"{layer}.weight_scale": scale,
            f"{layer}.weight_zero_point": zeros,
            f"{layer}.bias_quantized": np.rint(bias / scale_bias)
            .clip(-largest, largest)
            .astype(np.int32),
            f"{layer}.bias_quantized_scale": scale_bias,
            f"{layer}.bias_quantized_zero_point": zeros.astype(np.int32),
        }
    return weights


def saturates() -> bool:
    """Return whether ONNX Runtime's sums of products of eight-bit numbers saturate here.

    x86 processors without VNNI add two products in 16 bits, which changes the features.
    """
    runtime = _runtime()
    session = runtime.InferenceSession(
        PROBE.read_bytes(), _options(runtime), providers=[CPU_PROVIDER]
    )
    size = 64
    unsigned = np.full((size, size), 255, np.uint8)
    signed = np.full((size, size), LARGEST_INT8, np.int8)
    (sums,) = session.run(None, {"left": unsigned, "right": signed})
    return bool((sums != 255 * LARGEST_INT8 * size).any())
