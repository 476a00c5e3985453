"""Reliability of probabilities, and coverage of sets and of the interval of the accuracy."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.open_set.draws import Draw, draw
from benchmarks.open_set.promises import fit_draw, mean_and_interval
from benchmarks.open_set.tables import ClipSet
from fewact.classifier.calibration import softmax
from fewact.classifier.fitted import Fitted, score

WAYS, BINS, LEAST_NEW = 5, 10, 20


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error in per cent, over ten bins of equal width."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return 100 * sum(
        float((bins == i).mean() * abs(confidence[bins == i].mean() - right[bins == i].mean()))
        for i in np.unique(bins)
    )


def fitted_draws(clips: ClipSet, shots: int, draws: int, seed: int) -> list[tuple[Fitted, Draw]]:
    """Return classifiers of at most five classes, with all clips of other groups as new clips."""
    rng = np.random.default_rng(seed)
    drawn = [draw(clips.videos, WAYS, shots, rng, new_per_class=100) for _ in range(draws)]
    return [(fit_draw(clips, one), one) for one in drawn]


def reliability(clips: ClipSet, shots: int, fitted: list[tuple[Fitted, Draw]]) -> Iterator[str]:
    """Yield the cells of a row: accuracy and calibration errors of new clips of taught classes."""
    found: dict[str, list[NDArray[np.float64]]] = {"method": [], "calibrated": []}
    right = []
    for one, drawn in fitted:
        known = drawn.truth >= 0
        nodes = clips.of(drawn.new[known])
        logits = score(one, nodes)[0]
        own = logits * (one.calibration.temperature / clips.method.temperature)
        for name, each in (("method", own), ("calibrated", logits)):
            found[name].append(softmax(each).max(-1))
        right.append(logits.argmax(-1) == drawn.truth[known])
    correct = np.concatenate(right)
    yield from (clips.name, str(shots), f"{100 * correct.mean():.1f}")
    for values in found.values():
        confidence = np.concatenate(values)
        sure = confidence >= 0.8
        share = (
            f"{100 * correct[sure].mean():.0f} of {100 * sure.mean():.0f}" if sure.any() else "–"
        )
        yield f"{calibration_error(confidence, correct):.1f}"
        yield share


def set_coverage(
    clips: ClipSet, shots: int, fitted: list[tuple[Fitted, Draw]], rates: Sequence[float]
) -> Iterator[list[str]]:
    """Yield the cells of a row for each rate: how often a set has the true class, and its size."""
    for rate in rates:
        inside, sizes, every = [], [], []
        for one, drawn in fitted:
            known, lowest = drawn.truth >= 0, one.calibration.set_threshold(rate)
            nodes = clips.of(drawn.new[known])
            likely = softmax(score(one, nodes)[0])  # (q n)
            truth = drawn.truth[known]
            chosen = likely >= lowest
            chosen[np.arange(len(truth)), likely.argmax(-1)] = True
            inside.append(chosen[np.arange(len(truth)), truth].mean())
            sizes.append(chosen.sum(-1).mean())
            every.append(lowest == 0)
        yield [
            clips.name,
            str(shots),
            f"{100 * rate:g}",
            mean_and_interval(inside),
            f"{np.mean(sizes):.2f}",
            f"{100 * np.mean(every):.0f}",
        ]


def coverage(clips: ClipSet, shots: int, fitted: list[tuple[Fitted, Draw]]) -> list[str] | None:
    """Return the cells of a row on the interval; None with few new clips, or without held-out."""
    inside, widths, held = [], [], []
    for one, drawn in fitted:
        known, interval = drawn.truth >= 0, one.calibration.interval
        if interval is None or known.sum() < LEAST_NEW:
            return None
        nodes = clips.of(drawn.new[known])
        predicted = score(one, nodes)[0].argmax(-1)
        accuracy = 100 * (predicted == drawn.truth[known]).mean()
        inside.append(interval[0] <= accuracy <= interval[1])
        widths.append(interval[1] - interval[0])
        held.append(one.calibration.held_out)
    return [
        clips.name,
        str(shots),
        f"{np.mean(held):.0f}",
        f"{100 * np.mean(inside):.0f}",
        f"{np.mean(widths):.0f}",
    ]
