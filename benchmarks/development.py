"""Development clips and episodes of the comparisons by which defaults are chosen."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Part, episode_sets, fraction_of, parts, read_index
from benchmarks.markdown import heading
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies, paired_cell
from fewact.backbones import Backbone
from fewact.methods.fusion import Fusion
from fewact.synthetic.processing import with_condition, with_simulated_camera


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


def print_paired(
    made: Mapping[str, Fusion],
    compared: Sequence[Part],
    backbone: Backbone,
    options: argparse.Namespace,
) -> None:
    """Print a table of variants, compared with the first one in the same episodes.

    Args:
        made: The variants, by the names of their rows.
        compared: Clips of the columns.
        backbone: Backbone of the methods.
        options: ``queries`` and ``episodes``.
    """
    cells: dict[str, list[str]] = {name: [] for name in made}
    for part in compared:
        episodes = episode_sets(part.videos, options.queries, options.episodes)
        found: dict[str, list[NDArray[np.float64]]] = {}
        nodes = encode_videos(list(made.values()), backbone, part.videos)
        for (name, method), each in zip(made.items(), nodes, strict=True):
            pairs = compare_within(method, each)
            found[name] = [episode_accuracies(method, pairs.exact, pairs, one) for one in episodes]
        base = next(iter(found.values()))
        for name, accuracies in found.items():
            cells[name].append(paired_cell(accuracies, None if accuracies is base else base))
    print(heading("variant", *(part.name for part in compared)))
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)
