"""Accuracy of the default method with a network in int8, on the development clips.

    python -m benchmarks.int8 ASSETS [--episodes 2000] [--engines float32 bfloat16 static dynamic]
        [--fraction 0.5 --queries 3]

ASSETS contains ``clips/index.tsv`` and the clips. Static int8: weights per channel, activations by
their minimum and maximum over frames of some development clips. Episodes are those of
``benchmarks.clips``; in the table are the accuracies at one and five shots, and the least cosine of
a vector with the one in float32. It needs `onnx`.
"""

import argparse
import importlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clips import QUERIES, WAYS
from benchmarks.datasets import Part, fraction_of, parts, read_index
from benchmarks.pairs import evaluate_sets
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.backbones.engines.folding import folded
from fewact.backbones.engines.graphs import PACKAGED, Graph, read_graphs
from fewact.backbones.engines.parts import IMAGES, tensors_for_graphs
from fewact.backbones.engines.runtime import OnnxEngine
from fewact.episodes import Protocol, draw
from fewact.evaluation import VideoFeatures
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View

ENGINES = ("float32", "bfloat16", "static", "dynamic")
CALIBRATION_CLIPS, FRAMES = 6, 8
PIXELS = FeatureRequest("pixels", View(FRAMES))
VECTORS = FeatureRequest("vectors", View(FRAMES))


def with_weights(graph: Graph, tensors: Mapping[str, Tensor]) -> Any:
    """Return the ONNX model of a graph with its weights inside."""
    onnx = importlib.import_module("onnx")
    model = onnx.load_from_string(graph.content)
    for one in model.graph.initializer:
        if one.name in graph.weights:
            one.CopyFrom(onnx.numpy_helper.from_array(tensors[one.name].numpy(), one.name))
    return model


class Calibration:
    """Inputs of a graph, as ONNX Runtime's quantisation reads them."""

    def __init__(self, name: str, values: Tensor) -> None:
        self._rows: Iterator[dict[str, Any]] = iter({name: one[None].numpy()} for one in values)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input; None at the end."""
        return next(self._rows, None)


def quantised(exact: Backbone, frames: Tensor, kind: str) -> Backbone:
    """Return the backbone with its graphs in int8; frames (n 3 H W) uint8 are for calibration."""
    onnx = importlib.import_module("onnx")
    quantisation = importlib.import_module("onnxruntime.quantization")
    files = read_graphs(PACKAGED / exact.card.name)
    if files is None:
        raise SystemExit(f"{exact.card.name} has no packaged graphs")
    tensors = tensors_for_graphs(folded(exact.network))
    inputs = {
        IMAGES: exact.normalise(frames).contiguous(),
        "middle": exact.features(frames, ["middle"])["middle"],
    }
    graphs = []
    with tempfile.TemporaryDirectory() as folder:
        for graph in files.graphs:
            source, target = (str(Path(folder) / name) for name in ("float32", "int8"))
            onnx.save(with_weights(graph, tensors), source)
            if kind == "dynamic":
                quantisation.quantize_dynamic(source, target)
            else:
                reader = Calibration(graph.input, inputs[graph.input])
                quantisation.quantize_static(source, target, reader, per_channel=True)
            content = Path(target).read_bytes()
            graphs.append(Graph(graph.name, graph.input, graph.outputs, (), content))
    return exact.with_engine(OnnxEngine(graphs, {}, 1), kind)


def create(engine: str, calibration: Tensor) -> Backbone:
    """Return the default backbone in a row's arithmetic."""
    if engine == "bfloat16":
        return backbones.create(device="cpu", precision="bfloat16", engine="torch")
    exact = backbones.create(device="cpu", precision="float32", engine="onnx")
    return exact if engine == "float32" else quantised(exact, calibration, engine)


def vectors(backbone: Backbone, part: Part) -> Tensor:
    """Return the vectors (v t d) of the calibration clips' neighbours in a list."""
    clips = [video.source for video in part.videos.videos[1 :: len(part.videos.videos) // 6]]
    found = extract([clip for clip in clips if clip], backbone, [VECTORS])
    return torch.stack([one.features[VECTORS] for one in found if one.features])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=QUERIES, help="number of queries per class")
    options = parser.parse_args()
    development = [
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(read_index(options.assets), development=True)
    ]
    reader = backbones.create(device="cpu", engine="torch")
    every = [video.source for part in development for video in part.videos.videos if video.source]
    some = every[:: len(every) // CALIBRATION_CLIPS][:CALIBRATION_CLIPS]
    found = list(extract(some, reader, [PIXELS]))
    calibration = torch.cat([one.features[PIXELS] for one in found if one.features])
    exact = [vectors(create("float32", calibration), part) for part in development]
    heads = " | ".join(f"{part.name}, {len(part.videos.videos)} clips" for part in development)
    print(f"| {reader.card.name}, 1 / 5 shots | {heads} | least cosine |", flush=True)
    print("|---" * (len(development) + 2) + "|")
    for engine in options.engines:
        backbone = create(engine, calibration)
        cells, cosines = [], []
        for part, right in zip(development, exact, strict=True):
            same = torch.cosine_similarity(vectors(backbone, part), right, dim=-1)
            cosines.append(float(same.min()))
            source = VideoFeatures(part.videos, backbone, keep=True)
            protocols = [
                Protocol(WAYS, shots, options.queries, options.episodes, groups=part.videos.groups)
                for shots in (1, 5)
            ]
            drawn = [draw(part.videos, one) for one in protocols]
            results = evaluate_sets(methods.create("fusion").eval(), source, part.videos, drawn)
            cells.append(" / ".join(f"{one.accuracy:.2f}" for one in results))
        print(f"| {engine} | " + " | ".join(cells) + f" | {np.min(cosines):.4f} |", flush=True)


if __name__ == "__main__":
    main()
