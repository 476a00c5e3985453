"""Export of a network's parts as ONNX graphs without weights."""

import contextlib
import importlib.util
import io
import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewact.backbones.card import Card
from fewact.backbones.engines.graphs import Graph
from fewact.backbones.engines.parts import Part, parts_of, tensors_for_graphs
from fewact.backbones.network import Network

PACKAGES = ("onnx", "onnxscript")

_SILENCE = threading.RLock()


def missing_packages() -> list[str]:
    """Return the packages that the export needs and that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def export(network: Network, card: Card) -> tuple[Graph, ...]:
    """Export each part of a network.

    Args:
        network: Folded network on the CPU, in evaluation mode.
        card: Card of the network.

    Raises:
        Exception: The exporter of torch cannot express the network; it raises errors of any type.
    """
    tensors = tensors_for_graphs(network)
    free = {"shallow", "middle"} | ({"late"} if network.defaults.any_size else set())
    return tuple(
        _export(part, tensors, any_size=part.name in free) for part in parts_of(network, card)
    )


def reason_of(error: BaseException) -> str:
    """Return the first line of the error that an error of the exporter was raised from.

    Its own says how to report a fault of torch, in colors.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _export(part: Part, tensors: Mapping[str, Tensor], *, any_size: bool) -> Graph:
    examples = tuple(torch.zeros(shape, dtype=torch.float32) for shape in part.inputs.values())
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            part.module.eval(),
            examples,
            dynamo=True,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    model = program.model_proto
    weights = [one.name for one in model.graph.initializer if take_out(one, tensors)]
    anonymise(model)
    if any_size:
        free_size(model)
    content = model.SerializeToString()
    return Graph(part.name, tuple(part.inputs), part.outputs, tuple(weights), content)


def take_out(initializer: Any, tensors: Mapping[str, Tensor]) -> bool:
    """Remove the values of an initializer that is a tensor of the network; return whether it is."""
    onnx = importlib.import_module("onnx")
    own = tensors.get(initializer.name)
    if own is None or not np.array_equal(onnx.numpy_helper.to_array(initializer), own.numpy()):
        return False
    for field in ("raw_data", "float_data", "int64_data", "int32_data", "double_data"):
        initializer.ClearField(field)
    initializer.data_location = onnx.TensorProto.EXTERNAL
    initializer.external_data.add(key="location", value="weights")
    return True


def free_size(model: Any) -> None:
    """Let images of any height and width into a graph; its operations depend on neither."""
    for one in (*model.graph.input, *model.graph.output):
        for name, size in zip(("height", "width"), one.type.tensor_type.shape.dim[2:]):  # noqa: B905
            size.dim_param = f"{name} of {one.name}"


def anonymise(model: Any) -> None:
    """Remove what the exporter notes of the program that it traced, such as file names."""
    graph = model.graph
    for one in (model, graph, *graph.node, *graph.initializer, *graph.value_info):
        one.ClearField("doc_string")
        one.ClearField("metadata_props")
    for one in (*graph.input, *graph.output):
        one.ClearField("doc_string")
        one.ClearField("metadata_props")
    graph.ClearField("value_info")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the messages of the exporter, in one thread at a time.

    They are silenced in the entire process: of two threads, the last one to end would restore what
    it found, the silence of the other.
    """
    logger = logging.getLogger("torch.onnx")
    with _SILENCE:
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
        finally:
            logger.setLevel(level)
