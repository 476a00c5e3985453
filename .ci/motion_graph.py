"""Write the ONNX graph of learned motion, with its weights: `python .ci/motion_graph.py WEIGHTS`.

WEIGHTS is what ``benchmarks.training.motion_network`` writes, or the graph that comes with fewact.
"""

import copy
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from graphs import anonymise
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fewact.core.atomic import write_bytes
from fewact.lab.networks.motion import MotionNetwork, motion_network
from fewact.methods.fusion import motion_network as package


def main() -> None:
    """Write the graph into the package, and print its SHA-256."""
    content = motion_graph(motion_network(Path(sys.argv[1])))
    write_bytes(Path(package.__file__).with_name(package.GRAPH), content)
    print(f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def motion_graph(network: MotionNetwork) -> bytes:
    """Return the network as an ONNX graph with its weights in float16, for any number of videos."""
    network = copy.deepcopy(network).eval()
    for convolution in network.space.children():  # The exporter would rename what it transposes.
        weights = convolution.in_two_dimensions()
        convolution.weight = nn.Parameter(weights, requires_grad=False)
    example = torch.zeros(2, package.FRAMES, package.SIDE, package.SIDE, dtype=torch.float32)
    with torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[package.IMAGES],
            output_names=[package.VECTORS, package.FIGURE],
            dynamic_shapes=({0: torch.export.Dim("videos")},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    model = program.model_proto
    anonymise(model)
    graph, names = model.graph, {}
    for initializer in graph.initializer:
        values = numpy_helper.to_array(initializer)
        if name := name_of(values, network):
            names[initializer.name] = name
            initializer.CopyFrom(numpy_helper.from_array(values.astype("float16"), name))
    if missing := network.state_dict().keys() - set(names.values()):
        sys.exit(f"not in the graph: {', '.join(sorted(missing))}")
    for node in graph.node:
        for i, given in enumerate(node.input):
            if given in names:
                node.input[i] = f"{names[given]} in float32"
    casts = [
        helper.make_node("Cast", [name], [f"{name} in float32"], to=TensorProto.FLOAT)
        for name in names.values()
    ]
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def name_of(values: Any, network: nn.Module) -> str:
    """Return the name of the tensor that an initializer has the values of; or nothing.

    The exporter changes the shapes of some, and the names of these.
    """
    for name, tensor in network.state_dict().items():
        flat = tensor.numpy()
        if values.size == flat.size and values.dtype == flat.dtype:
            turned = flat.T if flat.ndim == 2 else flat
            if any(np.array_equal(values.ravel(), x.ravel()) for x in (flat, turned)):
                return name
    return ""


if __name__ == "__main__":
    main()
