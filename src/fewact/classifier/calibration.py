"""Calibrated probabilities: hold training clips out, and fit a temperature on their scores."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from fewact.classifier.examples import Nodes, check_finite_scores
from fewact.classifier.pipeline import IMAGE_EMBEDDING
from fewact.core.errors import OptionError
from fewact.methods.base import Labels, Method, rows
from fewact.methods.common.known import Scores

if TYPE_CHECKING:
    from fewact.classifier.class_names import ClassNames

MAX_HELD_OUT = 40
"""Number of held-out clips at which no more are added: they would cost more than they improve."""

FLOATS_AT_ONCE, CLIPS_AT_ONCE = 2**24, 64
"""Numbers of nodes that are copied at a time, and clips of a fold that are scored at a time."""


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithms of ``softmax`` (… n).

    >>> log_softmax(np.array([0.0, -np.inf]))
    array([  0., -inf])
    """
    return np.asarray(logits - logsumexp(logits)[..., None])


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (… n) of sum 1 in proportion to exp(logits).

    >>> softmax(np.array([1.0, 1.0]))
    array([0.5, 0.5])
    """
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def logsumexp(logits: NDArray[Any]) -> NDArray[Any]:
    """Return log Σ exp(logits): (… n) → (…)."""
    largest = logits.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(logits - largest).sum(-1)) + largest[..., 0])


def combine(
    text: NDArray[np.float64], visual: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """Return log(p_text^weight · p_visual^(1−weight)), up to a constant.

    After CLIP-FSAR and A²M²-Net. ``text`` and ``visual`` are logits (… n), those of the method
    divided by the temperature.
    """
    combined: NDArray[np.float64]
    combined = weight * log_softmax(text) + (1 - weight) * log_softmax(visual)
    return combined


def folds_of(
    labels: Sequence[int], n: int, groups: Sequence[str | None], limit: int = MAX_HELD_OUT
) -> list[list[int]]:
    """Return lists of clips to hold out together: one group of each class per fold.

    Each class keeps at least one clip. A group with clips of several classes is held out of all of
    these classes in the same fold. A clip whose group is None is a group by itself. No fold is
    added once ``limit`` clips are held out.
    """
    group = [i if name is None else name for i, name in enumerate(groups)]
    of_class: list[dict[int | str, None]] = [{} for _ in range(n)]  # groups, in the clips' order
    classes_of: dict[int | str, set[int]] = {}
    for name, label in zip(group, labels, strict=True):
        of_class[label][name] = None
        classes_of.setdefault(name, set()).add(label)
    folds: list[list[int]] = []
    held_out: set[int | str] = set()
    while sum(map(len, folds)) < limit:
        out: set[int | str] = set()
        remaining = [
            len(groups_of_class) for groups_of_class in of_class
        ]  # groups that are not held out
        for c, groups_of_class in enumerate(of_class):
            if remaining[c] < len(groups_of_class):
                continue
            for candidate in groups_of_class:
                if candidate not in held_out and all(
                    remaining[k] > 1 for k in classes_of[candidate]
                ):
                    out.add(candidate)
                    held_out.add(candidate)
                    for k in classes_of[candidate]:
                        remaining[k] -= 1
                    break
        if not out:
            break
        folds.append([i for i, g in enumerate(group) if g in out])
    return folds


def score_held_out(
    method: Method, nodes: Nodes, labels: Labels, n: int, folds: list[list[int]]
) -> tuple[Scores, Labels]:
    """Return logits (h n) of the held-out clips and their positions (h), by fold size."""
    floats = sum(value[0].size for value in nodes.values())
    logits, order = [], []
    for size in sorted({len(fold) for fold in folds}):
        alike = [fold for fold in folds if len(fold) == size]
        at_once = max(1, FLOATS_AT_ONCE // (floats * len(labels)))
        for begin in range(0, len(alike), at_once):
            held = np.array(alike[begin : begin + at_once])  # (b q)
            scored = _score(method, nodes, labels, n, held)
            logits.append(scored.reshape(-1, n).astype(np.float64))
            order.append(held.ravel())
    return np.concatenate(logits), np.concatenate(order)


def _score(
    method: Method, nodes: Nodes, labels: Labels, n: int, held: Labels
) -> NDArray[np.floating]:
    """Return logits (b q n) of the clips held out in each of b folds.

    A function of its own, so that one copy of the other clips is in memory at a time.
    """
    is_support = np.ones((len(held), len(labels)), np.bool_)
    np.put_along_axis(is_support, held, False, 1)
    support_rows = is_support.nonzero()[1].reshape(len(held), -1)  # (b s)
    state = method.support(rows(nodes, support_rows), labels[support_rows], n)  # of nodes (b s …)
    parts = (held[:, i : i + CLIPS_AT_ONCE] for i in range(0, held.shape[1], CLIPS_AT_ONCE))
    return np.concatenate([method.score(state, rows(nodes, part)) for part in parts], 1)


MIN_HELD_OUT = 5
"""Smallest number of held-out clips that choose the weight of the class names."""

ONE_SHOT_FACTOR, SHOTS_EXPONENT = 1.5, 0.45
"""Expected temperature for k clips per class: own · factor · k^(−exponent).

The best temperatures of ``fusion`` on the development clips, geometric mean over six sets, were
1.3, 1.0, 0.9 and 0.7 times its own at 1, 2, 3 and 5 shots; see docs/decisions/unknown-actions.md.
"""

TEMPERATURE_PRIOR_STD = 0.8
"""Standard deviation of the prior on the logarithm of the temperature.

The best temperatures of ``fusion`` on these sets differed by a factor of up to four at the same
number of shots.
"""

INTERVAL_STEP = 5
"""Ends of the interval of the accuracy are multiples of this, in per cent, rounded outwards."""

TEXT_WEIGHTS = (0.25, 0.5, 0.75, 0.9)
"""Candidate weights of the class names; 0.9 is the published weight."""

MIN_GAIN = 1.0
"""Gain in log-likelihood of held-out clips that class names need: Akaike's cost of a parameter."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """How logits become probabilities: p_visual = softmax(logits / temperature).

    Args:
        temperature: Temperature that divides the method's logits.
        source: Origin of the temperature: ``held-out clips``, or ``method`` if no clip could be
            held out.
        held_out: Number of training clips that were held out.
        accuracy: Accuracy on the held-out clips, in per cent; None if there are none.
        text_weight: Weight w of the class names: p ∝ p_text^w · p_visual^(1−w).
        true_class: Probability of the true class of each held-out clip, at the temperature.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: Literal["held-out clips", "method"]
    held_out: Annotated[int, Field(ge=0)]
    accuracy: Annotated[float, Field(ge=0, le=100)] | None
    text_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    true_class: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()

    def set_threshold(self, rate: float) -> float:
        """Return the lowest probability of a class in a set that has the true class at a rate.

        Conformal prediction: of m held-out clips, the threshold is the k-th lowest probability of
        the true class, k = ⌊(1 − rate) · (m + 1)⌋. A new clip's true class is below it with a
        probability of at most k / (m + 1), if it is drawn like the held-out clips, and about that
        of clips that more training clips score than the held-out ones. Where k is 0, there are too
        few clips, and a set has all classes.

        Args:
            rate: Fraction of clips whose true class must be in its set, above 0 and below 1.

        >>> held_out = (0.9, 0.2, 0.6, 0.7)
        >>> Calibration(1.0, "held-out clips", 4, 75.0, 0.0, held_out).set_threshold(0.8)
        0.2
        """
        count = len(self.true_class)
        rank = min(count, math.floor((1 - rate) * (count + 1) + 1e-9))
        return sorted(self.true_class)[rank - 1] if rank else 0.0

    @property
    def right(self) -> int:
        """Number of held-out clips that were predicted correctly."""
        return round(self.held_out * (self.accuracy or 0.0) / 100)

    @property
    def interval(self) -> tuple[int, int] | None:
        """Accuracy to expect with other clips, in per cent; None if no clip could be held out."""
        return accuracy_interval(self.right, self.held_out) if self.held_out else None


def check_set_rate(rate: float | None) -> None:
    """Refuse a rate of sets that is not above 0 and below 1."""
    if rate is not None and not (isinstance(rate, Real) and 0 < rate < 1):
        raise OptionError(
            "not a rate",
            where="sets",
            got=repr(rate),
            expected="above 0 and below 1, such as 0.9",
        )


def accuracy_lines(calibration: Calibration, classes: int) -> list[str]:
    """Return lines that say how many held-out clips are predicted correctly."""
    if calibration.interval is None:
        return ["Held-out accuracy: unknown (needs two clips per class)"]
    chance, (low, high) = 100 / classes, calibration.interval
    lines = [
        f"Held-out accuracy: {calibration.right} of {calibration.held_out} training clips "
        f"predicted correctly; with other clips {low} to {high} % (chance: {chance:.0f} %)"
    ]
    if low <= chance:
        lines.append("  This cannot be distinguished from guessing: more clips would show more")
    return lines


def accuracy_interval(right: int, held_out: int) -> tuple[int, int]:
    """Return the ends of a 95 % interval of the accuracy with other clips, in per cent.

    The lower end is Wilson's for held_out / 1.5 clips: held-out clips are scored by each other, so
    they are less than independent. The upper end is Wilson's for half of the mistakes and for
    held_out / 3 clips: new clips are scored by more clips than held-out ones. Both divisors were
    chosen on development clips (docs/results/unknown-actions.md).

    >>> accuracy_interval(9, 10)
    (50, 100)
    """
    low = _wilson(right / held_out, held_out / 1.5, -1)
    high = _wilson((held_out + right) / (2 * held_out), held_out / 3, 1)
    step = INTERVAL_STEP
    return step * math.floor(100 * low / step + 1e-9), step * math.ceil(100 * high / step - 1e-9)


def wilson_interval(right: int, clips: int) -> tuple[int, int]:
    """Return the ends of Wilson's 95 % interval of the accuracy on test clips, in per cent.

    >>> wilson_interval(50, 100)
    (40, 60)
    """
    low, high = (_wilson(right / clips, clips, sign) for sign in (-1, 1))
    return math.floor(100 * low + 1e-9), math.ceil(100 * high - 1e-9)


def _wilson(fraction: float, count: float, sign: int) -> float:
    """Return an end of Wilson's 95 % interval of a fraction: the lower one for sign −1."""
    z = 1.96
    spread = z * math.sqrt(fraction * (1 - fraction) / count + (z / (2 * count)) ** 2)
    return (fraction + z * z / (2 * count) + sign * spread) / (1 + z * z / count)


def hold_out(
    method: Method,
    nodes: Nodes,
    labels: Labels,
    n: int,
    groups: Sequence[str | None],
    class_names: "ClassNames | None" = None,
    *,
    most: int = MAX_HELD_OUT,
    titles: Sequence[str] = (),
) -> tuple[Calibration, Labels, Labels]:
    """Fit the temperature on held-out training clips, one clip of each class at a time.

    The temperature T minimises −Σ log softmax(logits / T)[true class] + (log T − log T₀)² / 2σ²,
    where T₀ is the expected temperature for as many clips per class as the held-out clips are
    scored by. The prior limits the effect of a few clips that are all predicted correctly: without
    it, all later probabilities would be 1. It is wide, so that clips that are predicted at random
    raise T until all classes are nearly equal. New clips are scored by more clips per class than
    held-out ones; T is reduced as the expected temperature is.

    One clip of *each* class is held out because a method may favour classes with more clips. If
    only one class lost a clip, it would be at a disadvantage.

    The weight of the class names maximises the likelihood of the held-out clips. In mode ``auto``
    it is 0 unless the names add ``MIN_GAIN`` to the best log-likelihood of the clips alone at any
    weight: scaling down an overconfident method is not a merit of the names.

    Args:
        method: Method that scores the clips.
        nodes: Nodes of the training clips (s …).
        labels: Classes (s) of the clips, int64 in 0 … n−1.
        n: Number of classes.
        groups: Group of each clip; a clip with None is a group by itself. A clip is never scored
            by a support set that has clips of its group.
        class_names: Embedded class names; None if they are not used.
        most: Number of held-out clips at which no more are added.
        titles: Title of each clip, for errors (default: its number).

    Returns:
        The calibration; the positions (h) of the held-out clips among the training clips; and the
    class (h) that is predicted for each by the other clips.
    """
    folds = folds_of(labels.tolist(), n, groups, most)
    own_temperature, held = method.temperature, sum(map(len, folds))
    always = class_names is not None and class_names.mode == "on"
    shots = len(labels) / n
    expected = expected_temperature(own_temperature, shots)
    if not held:
        weight, nothing = TEXT_WEIGHTS[-1] if always else 0.0, np.zeros(0, np.int64)
        return Calibration(expected, "method", 0, None, weight), nothing, nothing
    logits, order = score_held_out(method, nodes, labels, n, folds)
    named = titles or [f"clip {i}" for i in range(len(labels))]
    check_finite_scores(logits, [named[i] for i in order.tolist()])
    truth = labels[order]
    is_few = held < MIN_HELD_OUT
    fold_shots = sum(len(fold) * (len(labels) - len(fold)) for fold in folds) / held / n
    before = expected_temperature(own_temperature, fold_shots)
    fitted = fit_temperature(logits, truth, before)
    temperature = fitted * expected / before
    visual, weight = logits / fitted, 0.0
    as_new = logits / temperature
    if class_names is not None:
        text = class_names.logits(nodes[IMAGE_EMBEDDING][order])  # (h n)
        if is_few:
            weight = TEXT_WEIGHTS[-1] if always else 0.0
        else:
            weight = _text_weight(text, visual, truth, always=always)
        if weight:
            visual, as_new = (
                combine(text, logits_of_method, weight) for logits_of_method in (visual, as_new)
            )
    predicted = visual.argmax(-1)
    accuracy = 100 * float((predicted == truth).mean())
    # A set compares a new clip's probabilities with these: both are at the same temperature.
    true = _of_class(softmax(as_new), truth).clip(0, 1)
    calibration = Calibration(
        temperature, "held-out clips", held, accuracy, weight, tuple(true.tolist())
    )
    return calibration, order, predicted


def expected_temperature(of_method: float, shots: float) -> float:
    """Return the temperature to expect for a (mean) number of clips per class."""
    return of_method * ONE_SHOT_FACTOR * float(shots**-SHOTS_EXPONENT)


def _of_class(values: Scores, classes: Labels) -> Scores:
    """Return the values (… h) of one class of each clip: (… h n), (h)."""
    chosen: Scores = values[..., np.arange(len(classes)), classes]
    return chosen


def _text_weight(text: Scores, visual: Scores, truth: Labels, *, always: bool) -> float:
    """Return the weight of the class names, above 0 if ``always``, given logits (h n) of both."""

    def likelihood(logits: Scores) -> float:
        return float(_of_class(log_softmax(logits), truth).sum())

    likelihood_of = {weight: likelihood(combine(text, visual, weight)) for weight in TEXT_WEIGHTS}
    best = max(TEXT_WEIGHTS, key=lambda weight: likelihood_of[weight])
    alone = max(likelihood((1 - weight) * visual) for weight in (0.0, *TEXT_WEIGHTS))
    return best if always or likelihood_of[best] > alone + MIN_GAIN else 0.0


def fit_temperature(logits: Scores, truth: Labels, of_method: float) -> float:
    """Return the temperature T that minimises the equation of ``hold_out``, to 1 %.

    The sum can have several minima, so the full range T₀ / 64 … T₀ · 64 is searched on a grid.

    Args:
        logits: Logits (h n) of the held-out clips, float64.
        truth: True classes (h).
        of_method: Expected temperature T₀.
    """
    steps = np.linspace(-1, 1, 833) * math.log(64)  # (g)

    def unlikelihood(temperatures: Scores) -> Scores:
        scaled = logits / temperatures[:, None, None]  # (g h n)
        total: Scores = (logsumexp(scaled) - _of_class(scaled, truth)).sum(-1)
        return total

    at_once = max(1, FLOATS_AT_ONCE // 8 // logits.size)
    temperatures = of_method * np.exp(steps)
    chunks = (temperatures[i : i + at_once] for i in range(0, len(steps), at_once))
    loss = np.concatenate([unlikelihood(chunk) for chunk in chunks])
    loss += steps**2 / (2 * TEMPERATURE_PRIOR_STD**2)  # (g)
    return of_method * math.exp(steps[loss.argmin()])
