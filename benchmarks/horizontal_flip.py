"""Accuracy if the queries are flipped horizontally, like clips of left-handed people.

    python -m benchmarks.horizontal_flip ASSETS [--sets utd27_depth] [--fraction 0.5 --queries 3]

Clips and protocol are those of ``benchmarks/handheld.py``. The queries are original or flipped, the
support is original, the option ``horizontal_flip`` of ``fusion`` is off or on. In the last column
it is off, and the network encodes the flipped support clips, too; the option makes that
unnecessary.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.datasets import episode_sets, fraction_of, parts, read_index
from benchmarks.edited import Edited
from benchmarks.fusion_variants import Variant, of_moving_cameras
from benchmarks.handheld import cell
from benchmarks.markdown import heading
from benchmarks.pairs import Pairs, compare_all, compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.data import VideoList
from fewact.methods.base import Nodes
from fewact.methods.fusion import Fusion

HEADS = (
    "original",
    "original, option on",
    "flipped",
    "flipped, option on",
    "flipped, flipped examples added",
)


def flip(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flipped frames (t h w 3)."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def flipped(videos: VideoList) -> VideoList:
    """Return all videos flipped horizontally."""
    return videos.processed(lambda _: Edited(flip, "flipped"), "flipped")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--sets", nargs="+", default=("utd27_depth", "utd5_rgb", "ucf7"))
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=5, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--development", action="store_true", help="use the development clips")
    options = parser.parse_args()
    backbone = backbones.create()
    # The support does not decide about the cameras: the greater of two similarities is no mixture
    # of those of moving and static cameras. Of its other decisions it is nearly one.
    plain, option = (
        of_moving_cameras(Variant(options={"horizontal_flip": on}).method()) for on in (False, True)
    )
    print(f"{backbone.card.name}, {backbone.card.precision}, {options.episodes} episodes\n")
    print(heading("queries", *HEADS))
    for part in parts(read_index(options.assets), development=options.development):
        if part.videos.name not in options.sets:
            continue
        videos = fraction_of(part.videos, options.fraction)
        drawn = episode_sets(videos, options.queries, options.episodes)
        original = encode_videos([plain, option], backbone, videos)
        turned = encode_videos([plain, option], backbone, flipped(videos))
        cells = [
            cell([episode_accuracies(method, across, support, one) for one in drawn])
            for method, across, support in columns((plain, option), original, turned)
        ]
        print(
            f"| {part.name}, {len(videos.videos)} clips | " + " | ".join(cells) + " |", flush=True
        )


def columns(
    methods: tuple[Fusion, Fusion], original: Sequence[Nodes], turned: Sequence[Nodes]
) -> Iterator[tuple[Fusion, Tensor, Pairs]]:
    """Yield the method of each column, its similarities across, and within the support.

    Args:
        methods: The method without and with the option.
        original: Nodes of the original clips by each of them.
        turned: Nodes of the flipped clips likewise.
    """
    within = [compare_within(*each) for each in zip(methods, original, strict=True)]
    for method, support in zip(methods, within, strict=True):
        yield method, support.exact, support
    across = [compare_all(*each) for each in zip(methods, turned, original, strict=True)]
    yield from zip(methods, across, within, strict=True)
    plain = methods[0]
    added = across[0].maximum(compare_all(plain, turned[0], turned[0]))
    exact = within[0].exact.maximum(compare_all(plain, original[0], turned[0]))
    yield plain, added, replace(within[0], exact=exact)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
