"""Open sets: how well a score rejects queries of classes outside an episode.

A score is high for queries of the episode's classes. With logits l and a method's temperature T:

- ``max-softmax``: the largest probability of softmax(l / T).

- ``best``: the largest logit.

- ``energy``: T · log Σ exp(l / T) (Liu et al., Energy-based out-of-distribution detection, 2020).

- ``known``: the known score of ``fewact predict``, see ``methods.common.known``. The same method
  computes it, with each support video as a class by itself.

- ``garbage``: the log-odds of the classes against one more class, which has the support of all
  classes. Nothing is trained for it.

- ``discriminator``: the output of a trained part of the method, see ``Rejects``.

Measures of an episode, where k are the scores of known queries and u the scores of other queries:

- ``auroc``: P(k > u) + ½ P(k = u).
- ``oscr``: the area under the correct classification rate over the false positive rate. It is the
  same sum over the known queries that are classified correctly, divided by the number of all.
- ``fpr95``: the fraction of u at or above the largest threshold that at least 95 % of k reach.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.methods.common.known import intra_class, known_scores

MEASURES = ("auroc", "oscr", "fpr95")
"""Measures of an episode, in per cent; a low ``fpr95`` is good."""

SCORES = ("max-softmax", "best", "energy", "known", "garbage", "discriminator")
"""Scores; only methods with a discriminator have the last."""

TRUE_POSITIVE_RATE = 0.95
"""True positive rate, over the known queries, at which false positives are counted."""


def of_logits(logits: Tensor, temperature: float) -> dict[str, Tensor]:
    """Return the scores (b q) that need only the logits (b q n)."""
    scaled = logits.double() / temperature
    return {
        "max-softmax": scaled.softmax(-1).amax(-1),
        "best": scaled.amax(-1) * temperature,
        "energy": scaled.logsumexp(-1) * temperature,
    }


def known(pairs: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the known scores (b q).

    Args:
        pairs: Similarities (b q+s s) of the queries, then of the support videos, with the latter.
        labels: (b s) in 0 … n−1.
        n: Number of classes.
    """
    s = labels.shape[1]
    everything = np.zeros((1, s), np.bool_)
    scores = []
    for similarity, own in zip(pairs.double().cpu().numpy(), labels.cpu().numpy(), strict=True):
        inside = intra_class(similarity[-s:], range(s), own, n, everything)[0]
        scores.append(known_scores(similarity[:-s], own, inside))
    return torch.from_numpy(np.stack(scores))


def garbage(logits: Tensor, temperature: float) -> Tensor:
    """Return the log-odds (b q) of all classes against the last, from logits (b q n+1)."""
    scaled = logits.double() / temperature
    return scaled[..., :-1].logsumexp(-1) - scaled[..., -1]


def measures(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the measures of each episode and score, in per cent: (b m 3).

    Args:
        scores: (b m q+u), of the known queries first.
        right: Whether each known query is classified correctly (b q).
    """
    count = right.shape[1]
    inside, outside = scores[..., :count], scores[..., count:]
    pairs = inside[..., None] - outside[..., None, :]  # (b m q u)
    above = ((pairs > 0) + 0.5 * (pairs == 0)).mean(-1)  # (b m q)
    kept = int(np.ceil(TRUE_POSITIVE_RATE * count - 1e-9))
    threshold = np.sort(inside, -1)[..., count - kept, None]
    values = (above.mean(-1), (above * right[:, None]).mean(-1), (outside >= threshold).mean(-1))
    return 100 * np.stack(values, -1)


def by_score(
    values: NDArray[np.float64], names: tuple[str, ...]
) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
    """Return the measures (N m 3) of all episodes by the names of score and measure: (N) each."""
    return {
        score: {measure: values[:, i, j] for j, measure in enumerate(MEASURES)}
        for i, score in enumerate(names)
    }
