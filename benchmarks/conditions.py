"""Accuracy in the conditions of people's clips: the tables of docs/results/conditions.md.

    python -m benchmarks.conditions ASSETS --work FOLDER [--severity 2] [--fraction 0.5]
        [--conditions dark grain] [--sets utd5_rgb] [--methods fusion] [--page FILE]

In one column of a method all clips are in the condition, in the next only the queries. A cell has
the accuracy and its difference from clean clips in the same episodes, with the 95 % interval of the
difference. Accuracies are kept in the folder: an interrupted command continues where it stopped.
The clips are those of ``benchmarks/datasets.py`` that chose nothing; ``--development`` takes the
others.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Part, fraction_of, parts, read_index
from benchmarks.pairs import Pairs, compare_all, compare_within, encode_videos, episode_accuracies
from fewact import backbones, methods
from fewact.backbones import Backbone
from fewact.camera.conditions import CONDITIONS
from fewact.data.conditions import with_condition
from fewact.episodes import Protocol, draw
from fewact.evaluation.intervals import half_width
from fewact.methods.base import Nodes

WAYS, SHOTS = 5, (1, 5)
METHODS = ("fusion", "a2m2", "pixels")
CLEAN = "clean"
DEPTH_ONLY = ("background",)
"""Conditions that need the mask of a depth video."""

Accuracies = Mapping[str, NDArray[np.float64]]
"""Accuracies (e) by method, videos in the condition, and shots: ``fusion all 1``."""


def measure(part: Part, backbone: Backbone, options: argparse.Namespace) -> None:
    """Measure the conditions of a part that the folder does not have yet."""
    made = {name: methods.create(name).eval() for name in options.methods}
    drawn = [
        draw(
            part.videos,
            Protocol(WAYS, shots, options.queries, options.episodes, groups=part.videos.groups),
        )
        for shots in SHOTS
    ]
    clean: tuple[Sequence[Nodes], Sequence[Pairs]] | None = None
    for condition in conditions(part, options):
        file = file_of(part, condition, options)
        if file.exists() and (condition != CLEAN or clean is not None):
            continue
        if clean is None and all(
            file_of(part, one, options).exists() for one in conditions(part, options)
        ):
            return
        videos = part.videos
        if condition != CLEAN:
            videos = with_condition(videos, f"{condition}:{options.severity}")
        nodes = encode_videos(list(made.values()), backbone, videos)
        within = [compare_within(one, own) for one, own in zip(made.values(), nodes, strict=True)]
        clean = clean or (nodes, within)
        found = {}
        for i, (name, method) in enumerate(made.items()):
            across = compare_all(method, nodes[i], clean[0][i])
            for on, queries, support in (
                ("all", within[i].exact, within[i]),
                ("query", across, clean[1][i]),
            ):
                for shots, one in zip(SHOTS, drawn, strict=True):
                    right = episode_accuracies(method, queries, support, one)
                    found[f"{name} {on} {shots}"] = right
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file.with_suffix(".new.npz"), **found)
        file.with_suffix(".new.npz").replace(file)
        print(f"{part.name}: {condition}", flush=True)


def conditions(part: Part, options: argparse.Namespace) -> list[str]:
    """Return clean and the conditions that a part can be in."""
    depth = part.videos.name == "utd27_depth"
    return [CLEAN, *(one for one in options.conditions if depth or one not in DEPTH_ONLY)]


def file_of(part: Part, condition: str, options: argparse.Namespace) -> Path:
    """Return the file of the accuracies of a condition."""
    words = (part.name, condition, options.severity, *options.methods, options.fraction)
    name = "-".join("".join(c for c in str(word) if c.isalnum()) for word in words)
    folder: Path = options.work
    return folder / f"{name}-{options.queries}-{options.episodes}.npz"


def table(part: Part, options: argparse.Namespace) -> str:
    """Return the table of a part."""
    columns = [(name, on) for name in options.methods for on in ("all", "query")]
    heads = [f"`{name}`, {'all clips' if on == 'all' else 'queries'}" for name, on in columns]
    lines = [
        f"| {part.name}, {len(part.videos.videos)} clips | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    clean = dict(np.load(file_of(part, CLEAN, options)))
    for condition in conditions(part, options):
        found = dict(np.load(file_of(part, condition, options)))
        cells = []
        for name, on in columns:
            keys = [f"{name} {on} {shots}" for shots in SHOTS]
            each = [cell(found[key], clean[key], condition) for key in keys]
            cells.append(" / ".join(each))
        lines.append(f"| {condition} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(right: NDArray[np.float64], clean: NDArray[np.float64], condition: str) -> str:
    """Return an accuracy, and its difference from clean clips with the interval of it."""
    if condition == CLEAN:
        return f"{right.mean():.1f}"
    difference = right - clean
    return f"{right.mean():.1f} ({difference.mean():+.1f} ± {half_width(difference):.1f})"


PAGE = """# Conditions of the footage

    {command}

People's clips are dark, grainy, small or cut badly. `fewact evaluate … --condition dark:2`
puts the videos of any list in such a condition, `--condition-on query` the queries alone.
Accuracy in per cent at 1 / 5 shots, 5 ways, {queries} queries per class, {episodes}
episodes, severity {severity} of 3, chance 20; in brackets the difference from clean clips
in the same episodes, with the 95 % interval of the difference over episodes. Clips of other
people or recordings than those that chose any option; {share} of the clips of each class.

{tables}

The strengths of the severities are in `fewact.camera.conditions`. `loose`: the action fills
a third of the clip; before and after it, the same person does something else. `background`
needs the mask of a depth video. `fast` and `slow` change how often a frame is shown, not
how long an action takes next to the clip: frames are chosen at fractions of the clip.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the accuracies")
    parser.add_argument("--severity", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--fraction", type=float, default=0.5, help="fraction of each class")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "utd5_rgb", "ucf7"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--page", type=Path, help="page to write")
    options = parser.parse_args()
    backbone = backbones.create()
    chosen = [
        Part(part.name, fraction_of(part.videos, options.fraction))
        for part in parts(read_index(options.assets), development=options.development)
        if part.videos.name in options.sets
    ]
    for part in chosen:
        measure(part, backbone, options)
    tables = "\n\n".join(table(part, options) for part in chosen)
    if options.page is None:
        print(tables)
        return
    command = f"python -m benchmarks.conditions ASSETS --work FOLDER --severity {options.severity}"
    share = "all" if options.fraction == 1 else f"{options.fraction:.0%}"
    options.page.write_text(
        PAGE.format(
            command=f"{command} --fraction {options.fraction:g} --page FILE",
            episodes=f"{options.episodes:,}",
            queries=options.queries,
            severity=options.severity,
            share=share,
            tables=tables,
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
