"""Fit directions of upright vectors on development clips, and write them.

    python -m benchmarks.training.uprightness ASSETS FILE [--backbones auto …]

A clip of each class and person or recording is rotated by 0 to 3 quarter turns. Ridge regression
finds the direction of a network's mean unit vectors, without their mean over the orientations,
that distinguishes the upright one from the others. Each set counts the same. Printed are the
scores of the clips of each class by the direction that is fitted without that class: by how much
upright is greater than the other orientations. The mean of the set where it is least is the unit
of the scores.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from benchmarks.conditions import few, orientations_of
from benchmarks.datasets import parts, read_index
from fewact import backbones
from fewact.classifier.uprightness import centred
from fewact.core.atomic import write_bytes

SETS = ("utd27_depth", "ucf7")
RIDGE = 3.0
TARGET = torch.tensor([0.75, -0.25, -0.25, -0.25], dtype=torch.float64)


def fit(sets: list[Tensor]) -> Tensor:
    """Return the direction (d) that distinguishes upright vectors of sets (v 4 d)."""
    most = max(len(one) for one in sets)
    weights = torch.cat([torch.full((4 * len(one),), most / len(one)) for one in sets]).double()
    rows = torch.cat([one.flatten(0, 1) for one in sets])
    targets = TARGET.repeat(len(rows) // 4)
    # (X'WX + r)⁻¹ X'Wy by the rows, which are fewer than the dimensions.
    kernel = rows @ rows.mT + torch.diag(RIDGE / weights)
    found: Tensor = rows.mT @ torch.linalg.solve(kernel, targets)
    return found


def held_out(sets: list[Tensor], labels: list[list[str]]) -> list[Tensor]:
    """Return the scores (v 4) of the clips of each set by directions without their class."""
    scores = [one.new_zeros(len(one), 4) for one in sets]
    for number, own in enumerate(labels):
        for label in sorted(set(own)):
            out = torch.tensor([one == label for one in own])
            others = [one if i != number else one[~out] for i, one in enumerate(sets)]
            scores[number][out] = sets[number][out] @ fit(others)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["auto", "efficientnet-lite0-lite1"])
    options = parser.parse_args()
    chosen = [
        few(part.videos, len(part.videos.videos))
        for part in parts(read_index(options.assets), development=True)
        if part.videos.name in SETS
    ]
    labels = [[video.label for video in videos.videos] for videos in chosen]
    directions: dict[str, Tensor] = {}
    for name in options.backbones:
        backbone = backbones.create(name, size=backbones.AUTO_SIZE)
        sets = [centred(orientations_of(videos, backbone)) for videos in chosen]
        scores = held_out(sets, labels)
        unit = min((one[:, :1] - one[:, 1:]).mean() for one in scores)
        print(backbone.card.summary)
        for videos, own in zip(chosen, scores, strict=True):
            greater = (own[:, :1] - own[:, 1:]) / unit  # (v 3)
            best = (own.argmax(1) == 0).double().mean()
            print(
                f"{videos.name}, {len(own)} clips: upright is greater by "
                + ", ".join(f"{one.mean():.2f} ± {one.std():.2f}" for one in greater.unbind(1))
                + f"; greatest of {100 * best:.0f} %"
            )
        directions[backbone.card.weights_sha256] = (fit(sets) / unit).float()
    write_bytes(options.file, save(directions))


if __name__ == "__main__":
    main()
