"""Accuracy where the queries are mirror images, as those of left-handed people are.

    python -m benchmarks.mirrored ASSETS [--sets utd27_depth] [--share 0.5 --queries 3]

ASSETS, protocol and halves are those of ``benchmarks/handheld.py``. Query clips are unflipped and
flipped, support clips unflipped. Prints the accuracy of ``fusion`` with and without its option
``horizontal_flip``, and, last, without it where the network also encodes the flipped support clips.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.changed import Changed
from benchmarks.clips import WAYS, Pairs, compared, inside, parts, read_index
from benchmarks.handheld import accuracy, encode, some
from fewact import backbones, methods
from fewact.data import VideoList
from fewact.episodes import Protocol, draw
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion

HEADS = (
    "as they are",
    "as they are, `mirrored`",
    "mirrored",
    "mirrored, `mirrored`",
    "mirrored, images taught",
)


def mirrored(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mirror images of frames (t h w 3)."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def images(videos: VideoList) -> VideoList:
    """The mirror images of all videos."""
    turned = (
        replace(video, source=Changed(video.source, mirrored, "mirrored"))
        if video.source
        else video
        for video in videos.videos
    )
    return replace(videos, videos=tuple(turned))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--sets", nargs="+", default=("utd27_depth", "utd5_rgb", "ucf7"))
    parser.add_argument("--share", type=float, default=1.0, help="of the clips of each class")
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--choosing", action="store_true", help="the development halves instead")
    given = parser.parse_args()
    backbone = backbones.create()
    # With cameras="support" the greater of two sums is no sum of the two tables.
    plain, option = (
        methods.create("fusion", horizontal_flip=on, cameras="moving").eval()
        for on in (False, True)
    )
    if not isinstance(plain, Fusion) or not isinstance(option, Fusion):
        raise SystemExit("this measures fusion")
    print(f"{backbone.card.name}, {backbone.card.precision}, {given.episodes} episodes\n")
    print("| queries | " + " | ".join(HEADS) + " |\n" + "|---" * (len(HEADS) + 1) + "|")
    for part in parts(read_index(given.assets), choosing=given.choosing):
        if part.videos.name not in given.sets:
            continue
        videos = some(part.videos, given.share)
        drawn = [
            draw(videos, Protocol(WAYS, shots, given.queries, given.episodes, groups=videos.groups))
            for shots in (1, 5)
        ]
        (clips,) = encode([plain], backbone, videos)
        (turned,) = encode([plain], backbone, images(videos))
        cells = []
        for method, across, examples in columns(plain, option, clips, turned):
            both = (accuracy(method, across, examples, one)[0] for one in drawn)
            cells.append(" / ".join(f"{value:.1f}" for value in both))
        print(
            f"| {part.name}, {len(videos.videos)} clips | " + " | ".join(cells) + " |", flush=True
        )


def columns(
    plain: Fusion, option: Fusion, clips: Nodes, turned: Nodes
) -> Iterator[tuple[Fusion, Tensor, Pairs]]:
    """For each column the method, similarities of queries with clips, and those of the clips."""
    own = {method: inside(method, clips) for method in (plain, option)}
    for method, examples in own.items():
        yield method, examples.exact, examples
    asked = {method: compared(method, turned, clips) for method in own}
    for method, examples in own.items():
        yield method, asked[method], examples
    across = asked[plain].maximum(compared(plain, turned, turned))
    exact = own[plain].exact.maximum(compared(plain, clips, turned))
    yield plain, across, replace(own[plain], exact=exact)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
