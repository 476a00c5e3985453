"""Clips of untaught actions, and what the classifier promises: docs/results/open-set.md.

    python -m benchmarks.open_set ASSETS --cache FOLDER [--draws 1000] [-o docs/results/open-set.md]

Half of the classes are taught. The similarities of all clips are computed once and kept in FOLDER.
Scores and weights were chosen on the development clips alone (``benchmarks/datasets.py``).
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.open_set.draws import draw
from benchmarks.open_set.page import page, table
from benchmarks.open_set.promises import fit_draw, mean_and_interval, outcome
from benchmarks.open_set.reliability import coverage, fitted_draws, reliability, set_coverage
from benchmarks.open_set.scores import CANDIDATES, LEAVE_ONE_OUT, auroc, score_draw
from benchmarks.open_set.tables import ClipSet, load_sets

SHOTS = (1, 2, 3, 5)
NONE_CLIPS = (5, 10, 20, 40)
SET_RATES = (0.8, 0.9)
SEED = 1


def ways_of(clips: ClipSet) -> int:
    """Return half of the number of classes, rounded up."""
    return (len({video.label for video in clips.videos.videos}) + 1) // 2


def separation(sets: Sequence[ClipSet], draws: int) -> list[list[str]]:
    """Return the mean AUROC of each candidate, a row for each; columns are sets and shots."""
    rows = [[name] for name in CANDIDATES]
    for clips in sets:
        for shots in SHOTS:
            rng = np.random.default_rng(SEED)
            found: list[list[float]] = [[] for _ in CANDIDATES]
            for _ in range(draws):
                drawn = draw(clips.videos, ways_of(clips), shots, rng)
                scores, known = score_draw(clips.method, drawn), drawn.truth >= 0
                for candidate, values in zip(CANDIDATES.values(), found, strict=True):
                    if shots > 1 or candidate not in LEAVE_ONE_OUT:
                        values_of_draw = candidate(scores)
                        values.append(auroc(values_of_draw[known], values_of_draw[~known]))
            for row, values in zip(rows, found, strict=True):
                row.append(f"{np.mean(values):.1f}" if values else "–")
    return [_grouped(row) for row in rows]


def _grouped(row: list[str]) -> list[str]:
    """Join the cells of all shots of a set."""
    name, *cells = row
    step = len(SHOTS)
    return [name, *(" / ".join(cells[i : i + step]) for i in range(0, len(cells), step))]


def with_none(sets: Sequence[ClipSet], draws: int, rates: Sequence[float]) -> Iterator[list[str]]:
    """Yield what is promised and measured with clips of no class, at three shots."""
    for clips in sets:
        for count in NONE_CLIPS:
            rng = np.random.default_rng(SEED)
            fitted = []
            for _ in range(draws):
                drawn = draw(clips.videos, 3, 3, rng, none=count)
                if len(drawn.none) == count:
                    fitted.append((fit_draw(clips, drawn), drawn))
            if len(fitted) < draws:
                continue
            for rate in rates:
                got = [outcome(clips, one, d.new, d.truth, rate) for one, d in fitted]
                yield [
                    clips.name,
                    str(count),
                    f"{100 * rate:g}",
                    f"{100 * got[0].promised:.1f}",
                    mean_and_interval([one.false_alarms for one in got]),
                    mean_and_interval([one.false_rejections for one in got]),
                    mean_and_interval([one.right for one in got]),
                ]


def without_none(
    sets: Sequence[ClipSet], draws: int, rates: Sequence[float | None]
) -> Iterator[list[str]]:
    """Yield what is promised or estimated, and measured, without clips of no class."""
    for clips in sets:
        for shots in SHOTS:
            rng = np.random.default_rng(SEED)
            drawn = [draw(clips.videos, ways_of(clips), shots, rng) for _ in range(draws)]
            fitted = [(fit_draw(clips, one), one) for one in drawn]
            for rate in rates:
                got = [outcome(clips, one, d.new, d.truth, rate) for one, d in fitted]
                yield [
                    clips.name,
                    str(shots),
                    "default" if rate is None else f"{100 * rate:g}",
                    fitted[0][0].open_set.decision(rate).basis,
                    f"{100 * np.mean([one.promised for one in got]):.1f}",
                    mean_and_interval([one.false_alarms for one in got]),
                    mean_and_interval([one.false_rejections for one in got]),
                    mean_and_interval([one.right for one in got]),
                ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the similarities")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--output", "-o", type=Path, help="Markdown page (default: stdout)")
    options = parser.parse_args()
    text, calibrated, covered, chosen = [], [], [], []
    for development in (True, False):
        sets = load_sets(options.assets, options.cache, development=development)
        head = ["1 / 2 / 3 / 5 shots", *(clips.name for clips in sets)]
        text.append(table(head, separation(sets, options.draws)))
        for clips in sets:
            for shots in SHOTS:
                fitted = fitted_draws(clips, shots, options.draws, SEED)
                calibrated.append(list(reliability(clips, shots, fitted)))
                if (row := coverage(clips, shots, fitted)) is not None:
                    covered.append(row)
                if shots > 1:
                    chosen += set_coverage(clips, shots, fitted, SET_RATES)
        if not development:
            none = list(with_none(sets, options.draws, (0.05, 0.1, 0.2)))
            rest = list(without_none(sets, options.draws, (None, 0.05)))
    result = page(options.draws, (text[0], text[1]), (none, rest), (calibrated, covered, chosen))
    if options.output is None:
        print(result)
    else:
        options.output.write_text(result, encoding="utf-8")


if __name__ == "__main__":
    main()
