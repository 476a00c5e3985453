"""Clips of untaught actions, and what the classifier promises: docs/results/unknown-actions.md.

    python -m benchmarks.open_set ASSETS --cache FOLDER [--draws 1000]

Half of the classes are taught. The similarities of all clips are computed once and kept in FOLDER,
and so is each finished part of the tables: a run that was stopped continues there. ``--only`` runs
some of the sets, for several processes. Scores and weights were chosen on the development clips
alone (``benchmarks/datasets.py``).
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.open_set.draws import draw
from benchmarks.open_set.promises import fit_draw, mean_and_interval, mean_promise, outcome
from benchmarks.open_set.reliability import (
    coverage,
    fitted_draws,
    reliability,
    set_coverage,
)
from benchmarks.open_set.scores import CANDIDATES, auroc, score_draw
from benchmarks.open_set.tables import ClipSet, clip_lists, file_name, load_set
from benchmarks.shared import accuracies_cell, cores, table
from fewact.core.atomic import write_text

SHOTS = (1, 2, 3, 5)
NONE_CLIPS = (5, 10, 20, 40)
FEW_CLASSES = (2, 3)
SHOTS_OF_FEW = 3
SET_RATES = (0.8, 0.9)
SEED = 1

HEADS = {
    "none": (
        "set",
        "clips of no class",
        "requested",
        "promised",
        "other groups",
        "false alarms",
        "false rejections",
        "right",
    ),
    "rest": (
        "set",
        "classes",
        "shots",
        "false alarms",
        "false rejections",
        "right",
    ),
    "calibrated": ("set", "shots", "accuracy", "ECE, method", "p ≥ 0.8, method", "ECE", "p ≥ 0.8"),
    "covered": ("set", "shots", "held out", "covered", "mean width"),
    "sets": ("set", "shots", "requested", "true class in the set", "size", "all classes"),
}
"""Columns of the tables."""

Cells = list[str]
Keep = Callable[[str, Callable[[], Any]], Any]


def ways_of(clips: ClipSet) -> int:
    """Return half of the number of classes, rounded up."""
    return (len({video.label for video in clips.videos.videos}) + 1) // 2


def separation(clips: ClipSet, shots: int, draws: int) -> Cells:
    """Return the mean AUROC of each candidate."""
    rng = np.random.default_rng(SEED)
    found: list[list[float]] = [[] for _ in CANDIDATES]
    for _ in range(draws):
        drawn = draw(clips.videos, ways_of(clips), shots, rng)
        scores, known = score_draw(clips, drawn), drawn.truth >= 0
        for candidate, values in zip(CANDIDATES.values(), found, strict=True):
            values_of_draw = candidate(scores)
            values.append(auroc(values_of_draw[known], values_of_draw[~known]))
    return [f"{np.mean(values):.1f}" for values in found]


def with_none(clips: ClipSet, count: int, draws: int, rates: Sequence[float]) -> list[Cells]:
    """Return what is promised and measured with clips of no class, at three shots.

    There is no row if the set has too few clips.
    """
    rng = np.random.default_rng(SEED)
    fitted = []
    for _ in range(draws):
        drawn = draw(clips.videos, 3, 3, rng, none=count)
        if len(drawn.none) < count:
            return []
        fitted.append((fit_draw(clips, drawn), drawn))
    rows = []
    for rate in rates:
        got = [outcome(clips, one, d.new, d.truth, rate) for one, d in fitted]
        rows.append(
            [
                clips.name,
                str(count),
                f"{100 * rate:g}",
                f"{100 * got[0].promised:.1f}",
                mean_promise([one.promised_other_groups for one in got]),
                mean_and_interval([one.false_alarms for one in got]),
                mean_and_interval([one.false_rejections for one in got]),
                mean_and_interval([one.right for one in got]),
            ]
        )
    return rows


def settings(clips: ClipSet) -> list[tuple[int, int]]:
    """Return numbers of classes and of training clips of each: half of the classes, and few."""
    half = ways_of(clips)
    return [
        *((ways, SHOTS_OF_FEW) for ways in FEW_CLASSES if ways < half),
        *((half, shots) for shots in SHOTS),
    ]


def without_none(
    clips: ClipSet, ways: int, shots: int, draws: int, rates: Sequence[float]
) -> list[Cells]:
    """Return what is measured at requested rates, without clips of no class.

    A cell has the means at all rates.
    """
    rng = np.random.default_rng(SEED)
    got = []
    for _ in range(draws):
        drawn = draw(clips.videos, ways, shots, rng)
        fitted = fit_draw(clips, drawn)
        outcomes = (outcome(clips, fitted, drawn.new, drawn.truth, rate) for rate in rates)
        got.append([[o.false_alarms, o.false_rejections, o.right] for o in outcomes])
    means = 100 * np.mean(got, 0)  # (rates 3)
    cells = [accuracies_cell(column) for column in means.T]
    return [[clips.name, str(ways), str(shots), *cells]]


def probabilities(clips: ClipSet, shots: int, draws: int) -> dict[str, list[Cells]]:
    """Return the rows on probabilities, on the interval of the accuracy and on sets of classes."""
    fitted = fitted_draws(clips, shots, draws, SEED)
    covered = coverage(clips, shots, fitted)
    return {
        "calibrated": [list(reliability(clips, shots, fitted))],
        "covered": [] if covered is None else [covered],
        "sets": list(set_coverage(clips, shots, fitted, SET_RATES)) if shots > 1 else [],
    }


def measure(clips: ClipSet, draws: int, keep: Keep, *, development: bool) -> dict[str, Any]:
    """Return the cells and rows of one set."""
    found: dict[str, Any] = {
        "separation": [
            keep(f"separation-{shots}", partial(separation, clips, shots, draws)) for shots in SHOTS
        ]
    }
    for shots in SHOTS:
        rows = keep(f"sure-{shots}", partial(probabilities, clips, shots, draws))
        for name, some in rows.items():
            found.setdefault(name, []).extend(some)
    if not development:
        rates = (0.05, 0.1, 0.2)
        found["none"] = [
            row
            for count in NONE_CLIPS
            for row in keep(f"none-{count}", partial(with_none, clips, count, draws, rates))
        ]
        found["rest"] = [
            row
            for ways, shots in settings(clips)
            for row in keep(
                f"rest-{ways}-{shots}", partial(without_none, clips, ways, shots, draws, rates)
            )
        ]
    return found


def kept(folder: Path) -> Keep:
    """Return a function that computes a part unless the folder has it."""

    def keep(key: str, compute: Callable[[], Any]) -> Any:
        file = folder / f"{key}.json"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(compute(), ensure_ascii=False))
            print(file, flush=True)
        return json.loads(file.read_text(encoding="utf-8"))

    return keep


def separation_table(sets: Sequence[str], found: Sequence[dict[str, Any]]) -> str:
    """Return the table of the candidates; columns are sets, with all shots in a cell."""
    rows = [
        [name, *(" / ".join(cells[i] for cells in one["separation"]) for one in found)]
        for i, name in enumerate(CANDIDATES)
    ]
    return table([" / ".join(map(str, SHOTS)) + " shots", *sets], rows)


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder for finished parts")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", nargs="+", help="words in the names of some sets; prints nothing")
    options = parser.parse_args()
    scores, rows = [], list[dict[str, Any]]()
    for development in (True, False):
        lists = clip_lists(options.assets, development=development)
        chosen = [n for n in lists if not options.only or any(x in n for x in options.only)]
        found = []
        for name in chosen:
            clips = load_set(name, lists[name], options.cache)
            keep = kept(options.cache / f"{options.draws}-draws" / file_name(name))
            found.append(measure(clips, options.draws, keep, development=development))
        scores.append(separation_table(chosen, found))
        rows += found
    if options.only:
        return

    def every(name: str) -> Iterator[Cells]:
        return (row for one in rows for row in one.get(name, ()))

    for score in scores:
        print(score, end="\n\n")
    for part, head in HEADS.items():
        print(table(head, list(every(part))), end="\n\n")


if __name__ == "__main__":
    main()
