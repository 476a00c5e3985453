"""Accuracy in the conditions of people's clips: the tables of docs/results/conditions.md.

    python -m benchmarks.conditions ASSETS --work FOLDER [--severity 2] [--classes 7]
        [--conditions dark grain] [--sets utd5_rgb] [--variants fusion pixels]

In one table of a set all clips are in the condition, in the next only the queries. A cell has the
accuracy and its difference from clean clips in the same episodes, with the 95 % interval of the
difference. Accuracies are kept in the folder: an interrupted command continues where it stopped.
The clips are those of ``benchmarks/datasets.py`` that chose nothing; ``--development`` takes the
others. Of each person or recording one clip of a class is taken.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import SHOTS, Part, episode_sets, other_scenes, parts, read_index
from benchmarks.pairs import encode_videos, episode_accuracies, scorer_of
from benchmarks.phone import phone_clips
from benchmarks.shared import heading, line, save_arrays
from fewact import methods, networks
from fewact.core.intervals import half_width
from fewact.data import VideoList
from fewact.lab.synthetic.conditions import CONDITIONS, with_condition
from fewact.methods.base import Nodes
from fewact.networks import Backbone
from fewact.video.source import Clean

CORRECTED = "fusion, corrected"
VARIANTS = ("fusion", CORRECTED, "protonet", "otam", "a2m2", "pixels")
"""Methods, none of them trained; the second one reads videos as ``teach`` and ``predict`` do."""
CLEAN = "clean"
DEPTH_ONLY = ("background",)
"""Conditions that need the mask of a depth video."""
PHONE = "phone"
"""Condition of clips that ``benchmarks/phone.py`` writes; it has no severity."""
MEASURED = (*(name for name in CONDITIONS if name != "loose"), PHONE)
"""Conditions of the table; ``benchmarks/loose.py`` measures the other one."""


class Measurement:
    """Measures conditions of a part.

    Args:
        part: The videos.
        backbone: Backbone of the methods.
        options: Options of the command line.
    """

    def __init__(self, part: Part, backbone: Backbone, options: argparse.Namespace) -> None:
        self._part, self._backbone, self._options = part, backbone, options
        self._clean: dict[str, Nodes] = {}
        self._drawn = episode_sets(part.videos, options.queries, options.episodes)

    def measure(self, condition: str, variants: Sequence[str]) -> None:
        """Measure a condition with some variants that read videos alike."""
        new = [
            one
            for one in variants
            if not file_of(self._part, condition, one, self._options).exists()
        ]
        if not new:
            return
        if condition == CLEAN:
            found = {one: self._clean_of(one, new) for one in new}
        else:
            found = self._encoded(self._videos(condition), new)
        for variant, own in found.items():
            clean = self._clean_of(variant, new)
            right = self._accuracies(variant, own, clean)
            file = file_of(self._part, condition, variant, self._options)
            file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(file, right)
            print(f"{self._part.name}: {condition}, {variant}", flush=True)

    def _accuracies(self, variant: str, own: Nodes, clean: Nodes) -> dict[str, NDArray[np.float64]]:
        """Return the accuracies where all clips are in the condition, and where queries are."""
        method = self._method(variant)
        scorers = {"all": scorer_of(method, own), "query": scorer_of(method, clean, own)}
        return {
            f"{on} {shots}": episode_accuracies(score, episodes)
            for shots, episodes in zip(SHOTS, self._drawn, strict=True)
            for on, score in scorers.items()
        }

    def _videos(self, condition: str) -> VideoList:
        if condition == CLEAN:
            return self._part.videos
        if condition == PHONE:
            return phone_clips(self._part.videos, self._options.work / PHONE)
        return with_condition(self._part.videos, f"{condition}:{self._options.severity}")

    def _method(self, variant: str) -> Any:
        return methods.create(variant.partition(",")[0])

    def _clean_of(self, variant: str, variants: Sequence[str]) -> Nodes:
        if variant not in self._clean:
            self._clean |= self._encoded(self._part.videos, variants)
        return self._clean[variant]

    def _encoded(self, videos: VideoList, variants: Sequence[str]) -> dict[str, Nodes]:
        made = [self._method(one) for one in variants]
        read = videos.processed(lambda _: Clean(), "cleaned") if CORRECTED in variants else videos
        return dict(zip(variants, encode_videos(made, self._backbone, read), strict=True))


def measure(part: Part, backbone: Backbone, options: argparse.Namespace) -> None:
    """Measure what the folder does not have yet."""
    measurement = Measurement(part, backbone, options)
    for condition in conditions(part, options):
        measurement.measure(condition, [one for one in options.variants if one != CORRECTED])
        if CORRECTED in options.variants:
            measurement.measure(condition, [CORRECTED])


def conditions(part: Part, options: argparse.Namespace) -> list[str]:
    """Return clean and the conditions that a part can be in."""
    depth = part.videos.name == "utd27_depth"
    return [CLEAN, *(one for one in options.conditions if depth or one not in DEPTH_ONLY)]


def file_of(part: Part, condition: str, variant: str, options: argparse.Namespace) -> Path:
    """Return the file of the accuracies of a variant in a condition."""
    severity = 0 if condition in (CLEAN, PHONE) else options.severity
    words = (part.name, condition, severity, variant, options.classes)
    name = "-".join("".join(c for c in str(word) if c.isalnum()) for word in words)
    folder: Path = options.work
    return folder / f"{name}-{options.queries}-{options.episodes}.npz"


def table(part: Part, on: str, options: argparse.Namespace) -> str:
    """Return the table of a part, with ``all`` clips or each ``query`` in the condition."""
    heads = ["`{}`{}".format(*variant.partition(",")[::2]) for variant in options.variants]
    which = "all" if on == "all" else "queries alone"
    lines = [heading(f"{part.name}, {len(part.videos.videos)} clips, {which}", *heads)]
    for condition in conditions(part, options):
        cells = []
        for variant in options.variants:
            clean, found = (
                dict(np.load(file_of(part, one, variant, options))) for one in (CLEAN, condition)
            )
            keys = [f"{on} {shots}" for shots in SHOTS]
            cells.append(" / ".join(cell(found[key], clean[key], condition) for key in keys))
        lines.append(line(condition, *cells))
    return "\n".join(lines)


def cell(right: NDArray[np.float64], clean: NDArray[np.float64], condition: str) -> str:
    """Return an accuracy, and its difference from clean clips with the interval of it."""
    if condition == CLEAN:
        return f"{right.mean():.1f}"
    difference = right - clean
    return f"{right.mean():.1f} ({difference.mean():+.1f} ± {half_width(difference):.1f})"


def few(videos: VideoList, classes: int) -> VideoList:
    """Return one clip of each class and group, of some classes that are spread evenly."""
    labels = sorted({video.label for video in videos.videos})
    step = max(1, len(labels) // classes)
    kept = {
        (video.label, video.group): video
        for video in reversed(videos.videos)
        if video.label in labels[::step][:classes]
    }
    return replace(videos, videos=tuple(sorted(kept.values(), key=lambda video: video.id)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder of the accuracies")
    parser.add_argument("--severity", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--classes", type=int, default=7, help="most classes of a set")
    parser.add_argument("--queries", type=int, default=3, help="number of queries per class")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--conditions", nargs="+", default=list(MEASURED), choices=MEASURED)
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "utd5_rgb", "ucf7"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--development", action="store_true")
    options = parser.parse_args()
    backbone = networks.create()
    every = parts(read_index(options.assets), development=options.development)
    every += other_scenes(options.assets) if options.development else []
    chosen = [
        Part(part.name, few(part.videos, options.classes))
        for part in every
        if part.videos.name in options.sets
    ]
    for part in chosen:
        measure(part, backbone, options)
    for part in chosen:
        for on in ("all", "query"):
            print(table(part, on, options), end="\n\n")


if __name__ == "__main__":
    main()
