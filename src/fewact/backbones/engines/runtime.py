"""The engine ``onnx``: ONNX Runtime on a CPU, in float32 or int8."""

import importlib
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.backbones.card import EngineName, Level
from fewact.backbones.engines.graphs import Graph
from fewact.backbones.engines.parts import IMAGES

PACKAGE = "onnxruntime"
ERRORS_ONLY = 3

# ONNX Runtime 1.31 sends facts about its sessions to Microsoft, on Linux too, unless this is set
# before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


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
        found: dict[str, Any] = {IMAGES: images.contiguous().numpy()}
        for graph, session in self._graphs:
            wanted = {str(level) for level in levels} - found.keys()
            if not wanted:
                break
            if not wanted <= set(graph.outputs):
                wanted |= self._inputs
            names = [name for name in graph.outputs if name in wanted]
            values = session.run(names, {name: found[name] for name in graph.inputs})
            found |= dict(zip(names, values, strict=True))
        return {level: torch.from_numpy(found[level]) for level in levels}


def _session(graph: Graph, tensors: Mapping[str, Tensor]) -> Any:
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    arrays = [np.ascontiguousarray(tensors[name].numpy()) for name in graph.weights]
    values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    options.add_external_initializers(list(graph.weights), values)
    return runtime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])
