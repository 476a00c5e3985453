"""Candidates for the score that separates known from unknown clips; larger is more known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.open_set.draws import Draw
from benchmarks.pairs import LookedUp, LookedUpState
from fewact.classifier.known_scores import intra_class, known_scores

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the new clips of a draw, and of its training clips.

    Args:
        logits: Logits (q n) of the new clips.
        pairs: Similarities (q s) with the training clips.
        training: Logits (s n) of the training clips, for classes other than their own.
        training_pairs: Similarities (s s) of the training clips.
        held_out: Logits (s n) of training clips, each without itself; None for one shot.
        labels: Classes (s) of the training clips.
        temperature: Temperature of the method.
    """

    logits: Array
    pairs: Array
    training: Array
    training_pairs: Array
    held_out: Array | None
    labels: NDArray[np.int64]
    temperature: float

    @property
    def best(self) -> NDArray[np.int64]:
        """Class (q) with the highest logit."""
        return np.asarray(self.logits.argmax(1))

    @property
    def cohort(self) -> tuple[Array, Array]:
        """Mean and standard deviation (n) of each class's logits of clips of other classes."""
        n = self.logits.shape[1]
        others = [self.training[self.labels != c, c] for c in range(n)]
        return np.array([x.mean() for x in others]), np.array([x.std(ddof=1) for x in others])

    @property
    def own(self) -> Array:
        """Logits (n k) of held-out training clips for their own classes."""
        if self.held_out is None:
            raise ValueError("one shot has no held-out clips")
        n = self.logits.shape[1]
        return self.held_out[np.arange(len(self.labels)), self.labels].reshape(n, -1)


def score_draw(method: LookedUp, drawn: Draw) -> Scores:
    """Score the new clips and the training clips of a draw."""
    n, s = int(drawn.labels.max()) + 1, len(drawn.labels)
    labels = torch.from_numpy(drawn.labels)
    with torch.inference_mode():
        state = method.support(_nodes(drawn.training), labels[None], n)
        logits, pairs = _score(method, state, drawn.new)
        training, training_pairs = _score(method, state, drawn.training)
        held_out = None
        if s > n:
            held_out = np.empty((s, n))
            for shot in range(s // n):
                held = np.arange(n) * (s // n) + shot
                kept = np.setdiff1d(np.arange(s), held)
                without = method.support(_nodes(drawn.training[kept]), labels[kept][None], n)
                held_out[held] = _score(method, without, drawn.training[held])[0]
    return Scores(
        logits, pairs, training, training_pairs, held_out, drawn.labels, method.temperature
    )


def _nodes(numbers: NDArray[np.int64]) -> dict[str, torch.Tensor]:
    return {"number": torch.from_numpy(numbers)[None]}


def _score(
    method: LookedUp, state: LookedUpState, numbers: NDArray[np.int64]
) -> tuple[Array, Array]:
    nodes = _nodes(numbers)
    pairs = method.similarity(nodes, state.nodes, state.decision)
    logits = state.logits(pairs, method.intra_class_weight(state, nodes))
    return np.asarray(logits[0].double()), np.asarray(pairs[0].double())


def max_probability(s: Scores) -> Array:
    scaled = np.exp((s.logits - s.logits.max(1, keepdims=True)) / s.temperature)
    return np.asarray(1 / scaled.sum(1))


def best_score(s: Scores) -> Array:
    return np.asarray(s.logits.max(1))


def best_minus_mean(s: Scores) -> Array:
    return np.asarray(s.logits.max(1) - s.logits.mean(1))


def margin(s: Scores) -> Array:
    ranked = np.sort(s.logits, 1)
    return np.asarray(ranked[:, -1] - ranked[:, -2])


def nearest_clip(s: Scores) -> Array:
    return np.asarray(s.pairs.max(1))


def nearest_clip_against_its_own(s: Scores) -> Array:
    """The nearest clip's similarity minus that clip's with the nearest of another class."""
    other = s.labels[:, None] != s.labels
    rival = np.where(other, s.training_pairs, -np.inf).max(1)
    return np.asarray(s.pairs.max(1) - rival[s.pairs.argmax(1)])


def kernel_density(s: Scores) -> Array:
    """Logarithm of the mean of exp(similarity / 0.1) over a class's clips, best class."""
    each = [np.exp(s.pairs[:, s.labels == c] / 0.1).mean(1) for c in range(s.logits.shape[1])]
    return np.asarray(np.log(np.max(each, 0)))


def cohort_normalised(s: Scores) -> Array:
    """As in speaker verification: in deviations from the scores of clips of other classes."""
    mean, deviation = s.cohort
    return np.asarray((s.logits.max(1) - mean[s.best]) / deviation[s.best])


def own_normalised(s: Scores) -> Array:
    """In deviations from the class's own leave-one-out scores."""
    own = s.own
    return np.asarray((s.logits.max(1) - own.mean(1)[s.best]) / (own.std(1)[s.best] + 1e-3))


def own_mean_shrunk(s: Scores) -> Array:
    """Minus the class's mean leave-one-out score, shrunk to that of all with weight 4."""
    own = s.own
    k = own.shape[1]
    return np.asarray(s.logits.max(1) - ((k * own.mean(1) + 4 * own.mean()) / (k + 4))[s.best])


def own_p_value(s: Scores) -> Array:
    """Class-conditional conformal p-value; equal values are ordered by the score."""
    own, best = s.own, s.logits.max(1)
    below = (own[s.best] <= best[:, None]).sum(1)
    return np.asarray((1 + below) / (own.shape[1] + 1) + 1e-6 * best)


def known_score(s: Scores) -> Array:
    labels, n = torch.from_numpy(s.labels), s.logits.shape[1]
    everything = torch.zeros(1, len(labels), dtype=torch.bool)
    training = torch.from_numpy(s.training_pairs)
    inside = intra_class(training, range(len(labels)), labels, n, everything)[0]
    return np.asarray(known_scores(torch.from_numpy(s.pairs), labels, inside))


CANDIDATES: dict[str, Callable[[Scores], Array]] = {
    "maximum probability": max_probability,
    "best score": best_score,
    "best − mean score": best_minus_mean,
    "best − second score": margin,
    "nearest training clip": nearest_clip,
    "nearest clip against its own nearest": nearest_clip_against_its_own,
    "kernel density of a class": kernel_density,
    "best score, cohort-normalised": cohort_normalised,
    "best score, in deviations of its class": own_normalised,
    "best score − mean of its class, shrunk": own_mean_shrunk,
    "p-value in its class": own_p_value,
    "**known score** (used)": known_score,
}

LEAVE_ONE_OUT = (own_normalised, own_mean_shrunk, own_p_value)
"""Candidates that need two shots."""


def auroc(known: Array, unknown: Array) -> float:
    """Return the probability that a known clip has a higher score than an unknown one."""
    higher, equal = known[:, None] > unknown, known[:, None] == unknown
    return float(100 * (higher.mean() + 0.5 * equal.mean()))
