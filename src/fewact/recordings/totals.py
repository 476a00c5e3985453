"""Totals of recordings, from events of a model, and of a person in random windows.

A model misses events and finds others that are none, so that its counts are biased; a person's
sample is not, but it is small. Prediction-powered inference (Angelopoulos et al. 2023) joins them:
with y, what the person scored in n of N windows, and f, what the model found, the mean is

    ȳ + β · (mean of f over all windows − mean of f over the n windows),

β = cov(y, f) / var(f) in 0 … 1 (PPI++, power tuning): a model that finds nothing right gets β ≈ 0.
The N windows are the complete population. So the interval is computed for a sample without
replacement. It is narrower than an interval for all recordings of this type. Its standard error is
the jackknife's, which leaves out one window at a time and so includes that β is estimated; with few
windows, the formula of large samples covers too seldom (``benchmarks.totals``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.intervals import student_t
from fewact.recordings.formats import Event
from fewact.recordings.repetitions import spread

Floats = NDArray[np.floating[Any]]

FEWEST_CHECKED = 10
"""Number of windows that a person must check at least."""

RARE_CLASS = 8
"""Number of checked windows with a class, scored or found, below which it has no interval: with
fewer, intervals cover in 75 to 92 %."""

BORDER_ROUNDING = 1e-6
"""Fraction of a window by which a time may be beyond its end: times of tables are rounded."""


@dataclass(frozen=True)
class Total:
    """Total of a class over all windows.

    Args:
        value: Estimate.
        interval: 95 % interval; None if too few of the checked windows have the class.
        alone: The interval of the checked windows without the model; None as well.
        found: What the model found in all windows.
        weight: Weight β of what the model found, 0 … 1.
    """

    value: float
    interval: tuple[float, float] | None
    alone: tuple[float, float] | None
    found: float
    weight: float


def total(scored: Floats, found: Floats, checked: Sequence[int]) -> Total:
    """Return the total over all windows.

    Args:
        scored: What a person scored (n) in the checked windows.
        found: What the model found (N) in all windows.
        checked: Positions (n) of the checked windows, drawn at random, each once.

    >>> total(np.ones(10), np.ones(100), range(10)).value
    100.0
    """
    n, count, seen = len(scored), len(found), float(scored.sum())
    predicted = found[list(checked)]
    mean, weight = _mean(scored.mean(), predicted.mean(), (scored * predicted).mean(), found)
    value = count * float(mean)
    if np.count_nonzero((scored > 0) | (predicted > 0)) < RARE_CLASS:
        return Total(value, None, None, float(found.sum()), float(weight))
    # Means (n), each without one window.
    first, second, product = (
        (part.sum() - part) / (n - 1) for part in (scored, predicted, scored * predicted)
    )
    without, _ = _mean(first, second, product, found)

    def interval(center: float, means: Floats, freedom: int) -> tuple[float, float]:
        squares = ((means - means.mean()) ** 2).sum()
        error = math.sqrt((1 - n / count) * (n - 1) / n * squares)
        half = count * student_t(freedom) * error
        return max(center - half, seen), max(center + half, seen)

    return Total(
        value,
        interval(value, without, n - 2),
        interval(count * float(scored.mean()), first, n - 1),
        float(found.sum()),
        float(weight),
    )


def _mean(scored: Floats, predicted: Floats, product: Floats, found: Floats) -> tuple[Any, Any]:
    """Return the mean over all windows and β, of means (…) over checked ones, and all found."""
    variance = found.var(ddof=1)
    covariance = product - scored * predicted
    weight = np.clip(covariance / variance if variance else 0 * covariance, 0.0, 1.0)
    return scored + weight * (found.mean() - predicted), weight


def windows(duration: float, width: float) -> int:
    """Return the number of equal windows of a recording, each about as long as ``width``."""
    return max(1, round(duration / width))


def measure(
    events: Sequence[Event], duration: float, count: int, classes: Sequence[str]
) -> Mapping[str, Floats]:
    """Return the performances that begin in each window, and the seconds of each class.

    Performances of an event with repetitions are evenly spread over it where their times are not
    known.

    Args:
        events: Events of a recording.
        duration: Duration of the recording, in seconds.
        count: Number w of its windows, which are equally long.
        classes: Classes c.

    Returns:
        ``count`` (w c) and ``seconds`` (w c). Seconds in which two events of a class go on count
        once.
    """
    step = duration / count
    numbers, seconds = np.zeros((count, len(classes))), np.zeros((count, len(classes)))
    until = dict.fromkeys(classes, 0.0)
    for event in sorted(events, key=lambda event: event.start):
        column, end = classes.index(str(event.label)), min(event.end, duration)
        for one in event.repetition_times or spread(replace(event, end=end)):
            numbers[_window(one.start, step, count), column] += 1
        start = max(event.start, until[str(event.label)])
        until[str(event.label)] = max(end, start)
        for at in range(int(start / step), math.ceil(end / step)):
            shared = min(end, (at + 1) * step) - max(start, at * step)
            seconds[min(at, count - 1), column] += max(0.0, shared)
    return {"count": numbers, "seconds": seconds}


def _window(time: float, step: float, count: int) -> int:
    """Return the window in which a performance begins; one at a border is of the earlier one."""
    return min(max(math.ceil(time / step - BORDER_ROUNDING) - 1, 0), count - 1)
