"""Promised against measured: what the classifier does with clips of untaught actions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.open_set.draws import Draw, Numbers
from benchmarks.open_set.tables import ClipSet
from fewact.classifier.examples import Examples
from fewact.classifier.fitted import Fitted, fit_examples, score
from fewact.classifier.names import Example
from fewact.classifier.pipeline import Pipeline
from fewact.data import BACKGROUND
from fewact.features.precomputed import Precomputed


@dataclass(frozen=True)
class Outcome:
    """What happened to the new clips of a draw.

    Args:
        promised: Limit that the decision promised.
        promised_other_groups: Limit for clips of other groups; None if it promised none.
        false_alarms: Fraction of clips of untaught actions that got a class.
        false_rejections: Fraction of clips of taught classes that were answered ``(none)``.
        right: Fraction of clips of taught classes that got their class.
    """

    promised: float
    promised_other_groups: float | None
    false_alarms: float
    false_rejections: float
    right: float


def fit_draw(clips: ClipSet, drawn: Draw, *, grouped: bool = True) -> Fitted:
    """Fit the classifier of the package to the training clips and the clips of no class.

    Args:
        clips: The clips.
        drawn: Those that are used.
        grouped: Whether the classifier knows their groups.
    """
    numbers = [*drawn.training, *drawn.none]
    labels = [f"{label:03}" for label in drawn.labels] + [BACKGROUND] * len(drawn.none)
    videos = [clips.videos.videos[number] for number in numbers]
    shared = clips.videos.groups == "shared"
    groups: list[str | None] = [None] * len(videos)
    if grouped:
        groups = [
            one.group if shared or not one.group else f"{one.label}/{one.group}" for one in videos
        ]
    examples = Examples(
        tuple(
            Example(one.id, label, group=group)
            for one, label, group in zip(videos, labels, groups, strict=True)
        ),
        clips.of(np.array(numbers)),
        (None,) * len(numbers),
    )
    return fit_examples(Pipeline(Precomputed(1, 1, "cpu"), clips.method), examples)


def outcome(
    clips: ClipSet, fitted: Fitted, new: Numbers, truth: Numbers, rate: float | None
) -> Outcome:
    """Return what the classifier does with new clips at a limit of false alarms."""
    decision = fitted.open_set.decision(rate)
    logits, _, scores = score(fitted, clips.of(new))
    accepted = scores >= decision.threshold
    known = truth >= 0
    correct = logits.argmax(1) == truth
    return Outcome(
        decision.promised,
        decision.promised_other_groups,
        float(accepted[~known].mean()),
        float(1 - accepted[known].mean()),
        float((accepted & correct)[known].mean()),
    )


def mean_and_interval(values: list[float]) -> str:
    """Return the mean in per cent with half of its 95 % interval over draws."""
    found: NDArray[np.float64] = 100 * np.array(values)
    half = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
    return f"{found.mean():.1f} ± {half:.1f}"


def mean_promise(values: Sequence[float | None]) -> str:
    """Return the mean limit in per cent; a dash if there is none."""
    known = [value for value in values if value is not None]
    return f"{100 * np.mean(known):.1f}" if known else "–"
