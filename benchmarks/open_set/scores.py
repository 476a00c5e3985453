"""Candidates for the score that separates known from unknown clips; larger is more known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.open_set.draws import Draw
from benchmarks.open_set.tables import ClipSet
from fewact.methods.common.known import intra_class, known_scores
from fewact.methods.protocols import score_and_pairs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the new clips of a draw, and of its training clips.

    Args:
        logits: Logits (q n) of the new clips.
        pairs: Similarities (q s) with the training clips.
        training_pairs: Similarities (s s) of the training clips.
        labels: Classes (s) of the training clips.
        temperature: Temperature of the method.
    """

    logits: Array
    pairs: Array
    training_pairs: Array
    labels: NDArray[np.int64]
    temperature: float


def score_draw(clips: ClipSet, drawn: Draw) -> Scores:
    """Score the new clips and the training clips of a draw."""
    n, method = int(drawn.labels.max()) + 1, clips.method
    training, new = (clips.of(numbers[None]) for numbers in (drawn.training, drawn.new))
    state = method.support(training, drawn.labels[None], n)
    (logits,), (pairs,) = (x.astype(np.float64) for x in score_and_pairs(method, state, new))
    training_pairs = score_and_pairs(method, state, training)[1][0].astype(np.float64)
    return Scores(logits, pairs, training_pairs, drawn.labels, method.temperature)


def max_probability(s: Scores) -> Array:
    scaled = np.exp((s.logits - s.logits.max(1, keepdims=True)) / s.temperature)
    return np.asarray(1 / scaled.sum(1))


def best_score(s: Scores) -> Array:
    return np.asarray(s.logits.max(1))


def nearest_clip(s: Scores) -> Array:
    return np.asarray(s.pairs.max(1))


def known_score(s: Scores) -> Array:
    n, nothing = s.logits.shape[1], np.zeros((1, len(s.labels)), np.bool_)
    inside = intra_class(s.training_pairs, range(len(s.labels)), s.labels, n, nothing)[0]
    return known_scores(s.pairs, s.labels, inside)


CANDIDATES: dict[str, Callable[[Scores], Array]] = {
    "maximum probability": max_probability,
    "best score": best_score,
    "nearest training clip": nearest_clip,
    "**known score** (used)": known_score,
}


def auroc(known: Array, unknown: Array) -> float:
    """Return the probability that a known clip has a higher score than an unknown one."""
    higher, equal = known[:, None] > unknown, known[:, None] == unknown
    return float(100 * (higher.mean() + 0.5 * equal.mean()))
