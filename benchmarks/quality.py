"""Accuracy and time of ``--quality``: the table of docs/results/accuracy.md.

    python -m benchmarks.quality ASSETS --work FOLDER [--development] [--page FILE]

Of each person or recording one clip of a class is taken, of at most 13 classes. The time is that
of the processor for a clip, features and nodes, one clip after the other by turns, on one core.
Similarities are kept in the folder: an interrupted command continues where it stopped.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.arrays import save_arrays
from benchmarks.conditions import cell, few
from benchmarks.datasets import SHOTS, Part, episode_sets, parts, read_index
from benchmarks.fusion_variants import fusion
from benchmarks.markdown import heading
from benchmarks.pairs import compare_within, encode_videos, episode_accuracies
from fewact import backbones
from fewact.backbones import Backbone
from fewact.methods.quality import QUALITIES

TIMED = 6
"""Number of clips of a set that are timed."""

NORMAL = "normal"


def backbones_of_all() -> dict[str, Backbone]:
    """Return the backbone of each quality."""
    return {name: backbones.create(one.backbone, size=one.size) for name, one in QUALITIES.items()}


def measure(part: Part, of_quality: Mapping[str, Backbone], options: argparse.Namespace) -> None:
    """Measure the accuracies of the episodes and the times of clips, and keep them."""
    methods = {name: fusion(**one.options) for name, one in QUALITIES.items()}
    drawn = episode_sets(part.videos, options.queries, options.episodes)
    kept = {}
    for name, method in methods.items():
        (own,) = encode_videos([method], of_quality[name], part.videos)
        pairs = compare_within(method, own)
        for shots, episodes in zip(SHOTS, drawn, strict=True):
            kept[f"{name} {shots}"] = episode_accuracies(method, pairs.exact, pairs, episodes)
    step = max(1, len(part.videos.videos) // TIMED)
    times: dict[str, list[float]] = {name: [] for name in of_quality}
    for video in part.videos.videos[::step][:TIMED]:
        one = replace(part.videos, videos=(video,))
        for name, method in methods.items():
            begin = time.process_time()
            encode_videos([method], of_quality[name], one)
            times[name].append(1000 * (time.process_time() - begin))
    kept |= {f"{name} ms": np.array(each) for name, each in times.items()}
    save_arrays(file_of(part, options), kept)
    print(part.name, flush=True)


def file_of(part: Part, options: argparse.Namespace) -> Path:
    """Return the file of what was measured of a part."""
    letters = "".join(c for c in part.name if c.isalnum())
    folder: Path = options.work
    return folder / f"{letters}-{options.queries}-{options.episodes}.npz"


def table(measured: Sequence[Part], heights: Mapping[str, int], options: argparse.Namespace) -> str:
    """Return a row for each quality; ``heights`` are those of its frames."""
    found = {part.name: dict(np.load(file_of(part, options))) for part in measured}
    lines = [heading("quality", "options", "time", *found)]
    for name, quality in QUALITIES.items():
        listed = f"`--size {heights[name]}`"
        if quality.backbone != "auto":
            listed = f"`--backbone {quality.backbone}`, {listed}"
        for option, value in quality.options.items():
            listed += f", `--option {option}={value}`"
        every, normal = (
            np.concatenate([kept[f"{one} ms"] for kept in found.values()]) for one in (name, NORMAL)
        )
        cells = [
            " / ".join(
                cell(
                    kept[f"{name} {k}"],
                    kept[f"{NORMAL} {k}"],
                    "clean" if name == NORMAL else name,
                )
                for k in SHOTS
            )
            for kept in found.values()
        ]
        lines.append(
            f"| `{name}` | {listed} | {median(every / normal):.2f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the accuracies")
    parser.add_argument("--classes", type=int, default=13, help="most classes of a set")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "utd5_rgb", "ucf7"])
    parser.add_argument("--development", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    of_quality = backbones_of_all()
    chosen = [
        Part(part.name, few(part.videos, options.classes))
        for part in parts(read_index(options.assets), development=options.development)
        if part.videos.name in options.sets
    ]
    for part in chosen:
        if not file_of(part, options).exists():
            with torch.inference_mode():
                measure(part, of_quality, options)
    heights = {name: one.card.input_size[0] for name, one in of_quality.items()}
    print(table(chosen, heights, options))


if __name__ == "__main__":
    main()
