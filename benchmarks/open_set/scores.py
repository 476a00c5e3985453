"""Candidates for the score that separates known from unknown clips; larger is more known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.open_set.draws import Draw
from benchmarks.open_set.tables import ClipSet
from fewact.methods.common.known import intra_class, known_scores

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
    n, labels, method = int(drawn.labels.max()) + 1, torch.from_numpy(drawn.labels), clips.method
    training, new = (clips.of(numbers[None]) for numbers in (drawn.training, drawn.new))
    with torch.inference_mode():
        state = method.support(training, labels[None], n)
        logits, pairs = method.score_and_pairs(state, new)
        _, among = method.score_and_pairs(state, training)
    values = {"logits": logits, "pairs": pairs, "training_pairs": among}
    found = {name: np.asarray(value[0].double()) for name, value in values.items()}
    return Scores(**found, labels=drawn.labels, temperature=method.temperature)


def max_probability(s: Scores) -> Array:
    scaled = np.exp((s.logits - s.logits.max(1, keepdims=True)) / s.temperature)
    return np.asarray(1 / scaled.sum(1))


def best_score(s: Scores) -> Array:
    return np.asarray(s.logits.max(1))


def nearest_clip(s: Scores) -> Array:
    return np.asarray(s.pairs.max(1))


def known_score(s: Scores) -> Array:
    labels, n = torch.from_numpy(s.labels), s.logits.shape[1]
    everything = torch.zeros(1, len(labels), dtype=torch.bool)
    training = torch.from_numpy(s.training_pairs)
    inside = intra_class(training, range(len(labels)), labels, n, everything)[0]
    return np.asarray(known_scores(torch.from_numpy(s.pairs), labels, inside))


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
