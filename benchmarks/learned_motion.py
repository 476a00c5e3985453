"""What learned motion adds to the default method, and what it can do without.

    python -m benchmarks.learned_motion ASSETS [--fraction 1] [--queries 3] [--episodes 2000]

Prints a table of docs/decisions/learn-from-rendered-videos.md, of development clips.
"""

from collections.abc import Mapping

import torch

from benchmarks.development import development, parse_options, print_paired
from benchmarks.fusion_variants import fusion
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
    made = {name: fusion(weights=dict(weights)) for name, weights in VARIANTS.items()}
    print_paired(made, development(options), backbones.create(engine="onnx"), options)


if __name__ == "__main__":
    main()
