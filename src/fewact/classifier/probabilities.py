"""Probabilities from logits, and vectors of length 1; along the last axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


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


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return vectors (… d) over their lengths; a vector of zeros stays."""
    lengths = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-12))
