"""Write the ONNX graphs that come with fewact: `make graphs`, or `python .ci/graphs.py FOLDER`.

They have no weights: every tensor of the network is named, and no value of it is in them. Those in
int8 contain the scales of activations, from the least and largest values on rendered videos.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from fewact.data.video_source import VideoSource
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from torch import Tensor

from fewact import backbones
from fewact.backbones import Backbone
from fewact.backbones.engines.export import anonymise, export, take_out
from fewact.backbones.engines.folding import folded
from fewact.backbones.engines.graphs import PACKAGED, Graph, write_graphs
from fewact.backbones.engines.int8 import PROBE, rounded
from fewact.backbones.engines.parts import IMAGES, tensors_for_graphs
from fewact.backbones.network import Network
from fewact.synthetic import motions
from fewact.video import Segments

NETWORKS: tuple[dict[str, str], ...] = (
    {"name": backbones.AUTO},
    {"name": "efficientnet-lite0-lite1"},
    {"name": "mobilenet-v2", "weights": "random", "style": "torchvision"},
    {"name": "mobilenet-v2", "weights": "random", "style": "tensorflow"},
)
IN_INT8 = backbones.AUTO
RENDERED = ("plain", "moving-camera", "misaligned")
VIDEOS, FRAMES = 4, 4


def main() -> None:
    """Write the graphs of each network into a folder of its name."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGED
    for options in NETWORKS:
        made = backbones.create(**options, device="cpu", precision="float32", engine="torch")
        network = folded(made.network)
        if made.card.weights == "random":
            make_different(network)
        graphs = export(network, made.card)
        tensors = tensors_for_graphs(network)
        named = {weight for graph in graphs for weight in graph.weights}
        if missing := tensors.keys() - named:
            sys.exit(f"{network.graph_name}: not named: {', '.join(sorted(missing))}")
        write_graphs(folder / network.graph_name, graphs)
        if network.graph_name == IN_INT8:
            images = calibration(made)
            inputs = {
                IMAGES: made.normalise(images),
                **made.features(images, ["shallow", "middle"]),
            }
            in_int8 = [quantise(graph, tensors, inputs) for graph in graphs]
            write_graphs(folder / f"{IN_INT8}-int8", in_int8)
    (folder / PROBE.name).write_bytes(probe())


@torch.no_grad()
def make_different(network: Network) -> None:
    """Draw all tensors of a network: the export would join equal ones, such as biases of zero."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.normal_(generator=generator)


def calibration(backbone: Backbone) -> Tensor:
    """Return prepared frames (n 3 H W) of rendered videos."""
    videos = [video for name in RENDERED for video in motions(name).videos.videos[:VIDEOS]]
    sources = [cast(VideoSource, video.source) for video in videos]
    return torch.cat([backbone.prepare(one.read([Segments(FRAMES)])[0]) for one in sources])


class Inputs(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Inputs of a graph, as ONNX Runtime reads them."""

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        values = zip(*(one.contiguous() for one in inputs.values()), strict=True)
        self._rows: Iterator[dict[str, Any]] = (
            {name: one[None].numpy() for name, one in zip(inputs, row, strict=True)}
            for row in values
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input; None at the end."""
        return next(self._rows, None)


def quantise(graph: Graph, tensors: dict[str, Tensor], inputs: Mapping[str, Tensor]) -> Graph:
    """Return a graph in int8 whose weights are those of ``rounded``."""
    model = onnx.load_from_string(graph.content)
    for one in model.graph.initializer:
        if one.name in graph.weights:
            one.CopyFrom(numpy_helper.from_array(tensors[one.name].numpy(), one.name))
    with tempfile.TemporaryDirectory() as folder:
        source, target = (str(Path(folder) / name) for name in ("float32", "int8"))
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            Inputs({name: inputs[name] for name in graph.inputs}),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        model = onnx.load(target)
    scales = input_scales(model)
    weights = rounded(tensors, scales)
    for one in model.graph.initializer:
        if one.name in weights:  # Rounded as fewact rounds, so that they can be taken out.
            one.CopyFrom(numpy_helper.from_array(weights[one.name].numpy(), one.name))
    names = [one.name for one in model.graph.initializer if take_out(one, weights)]
    anonymise(model)
    if missing := weights.keys() - set(names):
        sys.exit(f"not in the graph: {', '.join(sorted(missing))}")
    content = model.SerializeToString()
    return Graph(graph.name, graph.inputs, graph.outputs, tuple(names), content, scales)


def input_scales(model: Any) -> dict[str, float]:
    """Return the scale of each convolution's input by the name of the layer."""
    values = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            values_in, weight, _ = (makers[name].input for name in node.input)
            layer = weight[0].removesuffix(".weight_quantized")
            found[layer] = float(values[values_in[1]])
    return found


def probe() -> bytes:
    """Return a graph that multiplies a uint8 by an int8 matrix."""
    kinds = {"left": TensorProto.UINT8, "right": TensorProto.INT8, "sums": TensorProto.INT32}
    left, right, sums = (
        helper.make_tensor_value_info(name, kind, [None, None]) for name, kind in kinds.items()
    )
    node = helper.make_node("MatMulInteger", ["left", "right"], ["sums"])
    graph = helper.make_graph([node], "probe", [left, right], [sums])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


if __name__ == "__main__":
    main()
