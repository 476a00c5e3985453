"""Accuracy of the default method by the precision of the network, on the development clips.

    python -m benchmarks.int8 ASSETS [--episodes 2000] [--precisions float32 bfloat16 int8]
        [--fraction 0.5 --queries 3] [--reported]

ASSETS contains ``clips/index.tsv`` and the clips. Episodes are those of ``benchmarks.clips``; in
the table are the accuracies at one and five shots, and the least cosine of a vector with the one
in float32. With ``--reported`` they are those of the reported clips.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.clips import QUERIES
from benchmarks.datasets import Part, episode_sets, fraction_of, parts, read_index
from benchmarks.markdown import heading
from benchmarks.pairs import evaluate_sets
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.evaluation import VideoFeatures
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, View

PRECISIONS = ("float32", "bfloat16", "int8")
COMPARED = 6
"""Number of clips of a set whose vectors are compared."""
VECTORS = FeatureRequest("vectors", View(8))


def create(precision: str) -> Backbone:
    """Return the default backbone in a precision, with the engine that is the fastest in it."""
    engine = "torch" if precision == "bfloat16" else "onnx"
    return backbones.create(device="cpu", precision=precision, engine=engine)


def vectors(backbone: Backbone, part: Part) -> Tensor:
    """Return the vectors (v t d) of some clips of a set."""
    videos = part.videos.videos
    clips = [video.source for video in videos[1 :: max(1, len(videos) // COMPARED)]]
    found = extract([clip for clip in clips if clip], backbone, [VECTORS])
    return torch.stack([one.features[VECTORS] for one in found if one.features])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=QUERIES, help="number of queries per class")
    parser.add_argument("--reported", action="store_true", help="clips that choose nothing")
    options = parser.parse_args()
    sets = [
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(read_index(options.assets), development=not options.reported)
    ]
    exact = [vectors(create("float32"), part) for part in sets]
    heads = (f"{part.name}, {len(part.videos.videos)} clips" for part in sets)
    print(heading("1 / 5 shots", *heads, "least cosine"), flush=True)
    for precision in options.precisions:
        backbone = create(precision)
        cells, cosines = [], []
        for part, right in zip(sets, exact, strict=True):
            same = torch.cosine_similarity(vectors(backbone, part), right, dim=-1)
            cosines.append(float(same.min()))
            source = VideoFeatures(part.videos, backbone, keep=True)
            drawn = episode_sets(part.videos, options.queries, options.episodes)
            results = evaluate_sets(methods.create("fusion").eval(), source, part.videos, drawn)
            cells.append(" / ".join(f"{one.accuracy:.2f} ± {one.ci95:.2f}" for one in results))
        print(f"| {precision} | " + " | ".join(cells) + f" | {np.min(cosines):.4f} |", flush=True)


if __name__ == "__main__":
    main()
