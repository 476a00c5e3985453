"""Write the networks that come with fewact: `make graphs`, or `python .ci/graphs.py FOLDER`.

Their ONNX graphs have no weights: every tensor of the network is named, and no value of it is in
them. Those in int8 contain the scales of activations, from the least and largest values on rendered
videos. A table lists the tensors and batch norms of each part, and where a tensor is in the pinned
file of the default weights.
"""

import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from torch import Tensor, nn

from fewact.core.atomic import write_bytes, write_text
from fewact.lab import networks
from fewact.lab.networks.efficientnet_lite import EfficientNetLite0, EfficientNetLite1
from fewact.lab.networks.export import quiet
from fewact.lab.networks.mobilenet_v2 import MobileNetV2
from fewact.lab.networks.network import Network, PairedNetwork, StagedNetwork
from fewact.lab.networks.torch_engine import folded, norms_of
from fewact.lab.networks.torch_weights import as_arrays, tensors_of
from fewact.networks import DEFAULT_NETWORK, Backbone, Card, Level, packaged, reference
from fewact.networks.onnx_engine import GRAPH_LIST, IMAGE_INPUT, PREFIX, PROBE, Graph, rounded
from fewact.networks.packaged import LITE0_FILE, LITE1_FILE, MobileNetV2Options, PinnedFile
from fewact.networks.weights import Arrays
from fewact.synthetic import motions
from fewact.video import Segments
from fewact.video.source import VideoSource

NETWORKS: tuple[dict[str, str], ...] = (
    {"name": DEFAULT_NETWORK},
    {"name": "efficientnet-lite0-lite1"},
    {"name": "mobilenet-v2", "weights": "random", "style": "torchvision"},
    {"name": "mobilenet-v2", "weights": "random", "style": "tensorflow"},
)
IN_INT8 = DEFAULT_NETWORK
RENDERED = ("plain", "moving-camera", "misaligned")
VIDEOS, FRAMES = 4, 4


def main() -> None:
    """Write the tables, and the graphs of each network into a folder of its name."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else packaged.GRAPHS_FOLDER
    write_tables(folder)
    for options in NETWORKS:
        made = networks.create(**options, device="cpu", precision="float32")
        network = folded(made.network)
        if made.card.weights == "random":
            make_different(network)
        name = packaged.PACKAGED_NETWORKS[made.card.name].graph_name(made.network.options)
        tensors = {PREFIX + key: x for key, x in as_arrays(tensors_of(network)).items()}
        graphs = export(network, made.card, tensors)
        named = {weight for graph in graphs for weight in graph.weights}
        if missing := tensors.keys() - named:
            sys.exit(f"{name}: not named: {', '.join(sorted(missing))}")
        write_graphs(folder / name, graphs)
        if name == IN_INT8:
            frames = calibration(made)
            images = made.normalise(torch.from_numpy(frames)).contiguous().numpy()
            features = made.features(frames, ["shallow", "middle"])
            inputs: dict[str, Any] = {IMAGE_INPUT: images} | features
            in_int8 = [quantise(graph, tensors, inputs) for graph in graphs]
            write_graphs(folder / f"{IN_INT8}-int8", in_int8)
    (folder / PROBE.name).write_bytes(probe())
    write_text(folder / reference.EXPECTED_FILE.name, json.dumps(expected()) + "\n")


def expected() -> dict[str, list[float]]:
    """Return the expected means of features, by torch."""
    made = reference.means(networks.create(device="cpu", precision="float32"))
    return {level: [round(mean, 6) for mean in means] for level, means in made.items()}


def write_tables(folder: Path) -> None:
    """Write the table of each part of the networks."""
    parts: tuple[tuple[Network, str, PinnedFile | None], ...] = (
        (EfficientNetLite0(None), "efficientnet-lite0", LITE0_FILE),
        (EfficientNetLite1(None), "efficientnet-lite1", LITE1_FILE),
        (MobileNetV2(MobileNetV2Options("torchvision")), "mobilenet-v2", None),
    )
    for network, name, pinned in parts:
        shapes = {name: list(tensor.shape) for name, tensor in tensors_of(network).items()}
        table: dict[str, Any] = {"tensors": shapes, "norms": list(norms_of(network))}
        if pinned is not None:
            table["positions"] = positions(pinned.content(), list(shapes))
        write_text(folder / f"{name}.json", json.dumps(table) + "\n")


def positions(content: bytes, names: Sequence[str]) -> dict[str, list[int]]:
    """Return the first byte of each tensor in a file of torch, and its strides in numbers."""
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    found = {}
    for name in names:
        numbers = tensors[name].as_strided((tensors[name].numel(),), (1,))
        found[name] = [content.index(numbers.numpy().tobytes()), *tensors[name].stride()]
    return found


@dataclass(frozen=True)
class Part:
    """Part of a network.

    Args:
        name: Name of the part.
        module: Module that computes the outputs, in this order; its ``network`` has the tensors.
        inputs: Shape of each input by its name: ``images``, or a level of a part before.
        outputs: Levels that the part computes.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[Level, ...]


def parts_of(network: Network, card: Card) -> tuple[Part, ...]:
    """Return the parts of a network in the order of computation.

    A staged network is cut where ``shallow`` and ``middle`` are, so that each alone costs no more
    than it must: ONNX Runtime computes all outputs of a graph, requested or not. The number of
    images of a run is fixed: the fewest that the network takes.
    """
    count = network.frames_together
    images = (count, 3, *card.input_size)
    if isinstance(network, StagedNetwork) and card.middle is not None and card.shallow is not None:
        shallow, middle = (count, *card.shallow), (count, *card.middle)
        late = Part("late", _Late(network), {"middle": middle}, ("maps", "vectors"))
        if isinstance(network, PairedNetwork):
            late = replace(
                late, module=_PairedLate(network), inputs={"middle": middle, IMAGE_INPUT: images}
            )
        return (
            Part("shallow", _Shallow(network), {IMAGE_INPUT: images}, ("shallow",)),
            Part("middle", _Middle(network), {"shallow": shallow}, ("middle",)),
            late,
        )
    both: tuple[Level, ...] = ("maps", "vectors")
    levels = tuple(level for level in both if card.has(level))
    return (Part("network", _Levels(network, levels), {IMAGE_INPUT: images}, levels),)


class _Stage(nn.Module):
    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network


class _Shallow(_Stage):
    def forward(self, images: Tensor) -> Tensor:
        return self.network.to_shallow(images)


class _Middle(_Stage):
    def forward(self, shallow: Tensor) -> Tensor:
        return self.network.to_middle(shallow)


class _Late(_Stage):
    def forward(self, middle: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.to_maps(middle)
        return maps, self.network.pool(maps)


class _PairedLate(_Stage):
    def forward(self, middle: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.last_maps(middle, images)
        return maps, self.network.pool(maps)


class _Levels(nn.Module):
    def __init__(self, network: Network, levels: tuple[Level, ...]) -> None:
        super().__init__()
        self.network, self._levels = network, levels

    def forward(self, images: Tensor) -> Any:
        features = self.network(images, self._levels)
        return tuple(features[level] for level in self._levels)


def export(network: Network, card: Card, tensors: Arrays) -> tuple[Graph, ...]:
    """Export each part of a network.

    Args:
        network: Folded network on the CPU, in evaluation mode.
        card: Card of the network.
        tensors: Tensors of the network under their names in graphs.

    Raises:
        Exception: The exporter of torch cannot express the network; it raises errors of any type.
    """
    free = {"shallow", "middle"} | ({"late"} if network.defaults.any_size else set())
    return tuple(
        _export(part, tensors, any_size=part.name in free) for part in parts_of(network, card)
    )


def _export(part: Part, tensors: Arrays, *, any_size: bool) -> Graph:
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
    weights = [value.name for value in model.graph.initializer if take_out(value, tensors)]
    anonymise(model)
    if any_size:
        free_size(model)
    content = model.SerializeToString()
    return Graph(part.name, tuple(part.inputs), part.outputs, tuple(weights), content)


def take_out(initializer: Any, tensors: Arrays) -> bool:
    """Remove the values of an initializer that is a tensor of the network; return whether it is."""
    tensor = tensors.get(initializer.name)
    values = numpy_helper.to_array(initializer)
    if tensor is None or not np.array_equal(values, tensor):
        return False
    for field in ("raw_data", "float_data", "int64_data", "int32_data", "double_data"):
        initializer.ClearField(field)
    initializer.data_location = onnx.TensorProto.EXTERNAL
    initializer.external_data.add(key="location", value="weights")
    return True


def free_size(model: Any) -> None:
    """Let images of any height and width into a graph; its operations depend on neither."""
    for port in (*model.graph.input, *model.graph.output):
        for name, size in zip(("height", "width"), port.type.tensor_type.shape.dim[2:]):  # noqa: B905
            size.dim_param = f"{name} of {port.name}"


def anonymise(model: Any) -> None:
    """Remove what the exporter notes of the program that it traced, such as file names."""
    graph = model.graph
    elements = (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output)
    for element in (model, graph, *elements):
        element.ClearField("doc_string")
        element.ClearField("metadata_props")
    graph.ClearField("value_info")
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"


def write_graphs(folder: Path, graphs: Sequence[Graph]) -> None:
    """Write graphs into a folder, which is created, and their facts."""
    entries = []
    for graph in graphs:
        write_bytes(folder / f"{graph.name}.onnx", graph.content)
        facts = {field.name: getattr(graph, field.name) for field in fields(graph)}
        sha256 = hashlib.sha256(facts.pop("content")).hexdigest()
        entries.append(
            {key: value for key, value in facts.items() if value or key != "scales"}
            | {"sha256": sha256}
        )
    write_text(folder / GRAPH_LIST, json.dumps({"graphs": entries}, indent=1) + "\n")


@torch.no_grad()
def make_different(network: Network) -> None:
    """Draw all tensors of a network: the export would join equal ones, such as biases of zero."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        tensor.normal_(generator=generator)


def calibration(backbone: Backbone) -> NDArray[np.uint8]:
    """Return prepared frames (n 3 H W) of rendered videos."""
    videos = [video for name in RENDERED for video in motions(name).videos.videos[:VIDEOS]]
    sources = [cast(VideoSource, video.source) for video in videos]
    return backbone.prepare(np.concatenate([x.read([Segments(FRAMES)]).frames[0] for x in sources]))


class Inputs(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Inputs of a graph, as ONNX Runtime reads them."""

    def __init__(self, inputs: Arrays) -> None:
        self._rows: Iterator[dict[str, Any]] = (
            {name: one[None] for name, one in zip(inputs, row, strict=True)}
            for row in zip(*inputs.values(), strict=True)
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input; None at the end."""
        return next(self._rows, None)


def quantise(graph: Graph, tensors: Arrays, inputs: Arrays) -> Graph:
    """Return a graph in int8 whose weights are those of ``rounded``."""
    model = onnx.load_from_string(graph.content)
    for one in model.graph.initializer:
        if one.name in graph.weights:
            one.CopyFrom(numpy_helper.from_array(tensors[one.name], one.name))
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
            one.CopyFrom(numpy_helper.from_array(weights[one.name], one.name))
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
