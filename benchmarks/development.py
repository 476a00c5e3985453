"""Development clips and episodes of the comparisons by which defaults are chosen."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.conditions import SHOTS, WAYS
from benchmarks.datasets import Part, fraction_of, parts, read_index
from fewact.data import VideoList
from fewact.data.conditions import with_condition
from fewact.data.simulated_camera import with_simulated_camera
from fewact.episodes import EpisodeSet, Protocol, draw


def parse_options(doc: str | None) -> argparse.Namespace:
    """Read the options of a comparison.

    Args:
        doc: Docstring of the benchmark; its first line describes the command.
    """
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--fraction", type=float, default=0.5, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    return parser.parse_args()


def clean(options: argparse.Namespace) -> list[Part]:
    """Return the development clips as they are, by the options ``assets`` and ``fraction``."""
    return [
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(read_index(options.assets), development=True)
    ]


def development(options: argparse.Namespace) -> list[Part]:
    """Return development clips: as they are, before textured backgrounds, and hand-held there."""
    depth, web = clean(options)
    rooms = with_condition(depth.videos, "background:1")
    return [
        depth,
        Part("the same before other backgrounds", rooms),
        Part("the same, hand-held", with_simulated_camera(rooms, "hand")),
        web,
    ]


def drawn(
    videos: VideoList, options: argparse.Namespace, shots: Sequence[int] = SHOTS
) -> list[EpisodeSet]:
    """Draw episodes at each number of shots, by the options ``queries`` and ``episodes``."""
    return [
        draw(videos, Protocol(WAYS, k, options.queries, options.episodes, groups=videos.groups))
        for k in shots
    ]
