"""What learned motion adds to the default method, and what it can do without.

    python -m benchmarks.learned_motion ASSETS [--fraction 1] [--queries 3] [--episodes 2000]

Prints a table of docs/decisions/learn-from-rendered-videos.md, of development clips.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.development import development, drawn, parse_options
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies, paired_cell
from fewact import backbones

WITHOUT: Mapping[str, float] = {"learned_motion": 0}
VARIANTS: Mapping[str, Mapping[str, float]] = {
    "without": WITHOUT,
    "weight 0.5": {"learned_motion": 0.5},
    "**weight 1**": {},
    "weight 1.5": {"learned_motion": 1.5},
    "weight 1, no other differences": {"differences": 0},
    "learned motion alone": {
        "appearance": 0,
        "motion": 0,
        "full_frame_motion": 0,
        "moments": 0,
        "differences": 0,
    },
}
"""Weights of the terms; the first is the one that others are compared with."""


def main() -> None:
    options = parse_options(__doc__)
    torch.set_num_threads(1)
    backbone, parts = backbones.create(engine="onnx"), development(options)
    made = {name: fusion(weights=dict(weights)) for name, weights in VARIANTS.items()}
    cells: dict[str, list[str]] = {name: [] for name in made}
    for part in parts:
        episodes = drawn(part.videos, options)
        found: dict[str, list[NDArray[np.float64]]] = {}
        nodes = encode_videos(list(made.values()), backbone, part.videos)
        for (name, method), each in zip(made.items(), nodes, strict=True):
            pairs = compare_within(method, each)
            found[name] = [episode_accuracies(method, pairs.exact, pairs, one) for one in episodes]
        base = next(iter(found.values()))
        for name, accuracies in found.items():
            cells[name].append(paired_cell(accuracies, None if accuracies is base else base))
    print(heading("variant", *(part.name for part in parts)))
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
