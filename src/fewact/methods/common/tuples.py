"""Ordered tuples of frames: their linear maps, and TRX's attention of a query's to a class's.

A linear map of concatenated frames is a sum with one term per position in the tuple:
W [x₁; x₂] = W₁ x₁ + W₂ x₂. So each frame is mapped once per position, not once per tuple.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.methods.common.shots import by_class
from fewact.methods.common.temporal_attention import time_code

MAX_ELEMENTS = 2**22
"""Approximate number of elements of the largest intermediate tensor of a chunk."""


def tuples_of(t: int, size: int) -> Tensor:
    """Return the index sets (m size) of all ordered tuples of t frames.

    >>> tuples_of(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    return torch.tensor(list(combinations(range(t), size)))


def map_tuples(linear: nn.Linear, frames: Tensor, size: int) -> Tensor:
    """Apply a linear map to the concatenated frames of each tuple: (… t d) → (… m e)."""
    indices = tuples_of(frames.shape[-2], size).to(frames.device)
    weights = linear.weight.unflatten(1, (size, -1)).unbind(1)  # size × (e d)
    mapped = functional.linear(frames, weights[0], linear.bias)[..., indices[:, 0], :]
    for position, weight in enumerate(weights[1:], 1):
        mapped = mapped + functional.linear(frames, weight)[..., indices[:, position], :]
    return mapped


class Positions(nn.Module):
    """Add a scaled sinusoidal code of the position to each token, then apply dropout.

    Args:
        scale: Factor of the sines and cosines.
        dropout: Probability of the dropout.
    """

    def __init__(self, scale: float, dropout: float) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (… m d) with their positions 0 … m−1."""
        added: Tensor = self.dropout(tokens + self.table(tokens))
        return added

    def table(self, tokens: Tensor) -> Tensor:
        """Return the code (m d) that is added to tokens (… m d)."""
        m, d = tokens.shape[-2:]
        return self.scale * time_code(m, d, torch.float64).to(tokens)


@dataclass(frozen=True)
class ClassTuples:
    """Tuples of the support by class, of k shots with m tuples each.

    Args:
        keys: (b n k·m e).
        values: (b n k·m e).
        present: (b n k·m), 1 for a tuple and 0 for padding of classes with fewer shots.
    """

    keys: Tensor
    values: Tensor
    present: Tensor


def class_tuples(keys: Tensor, values: Tensor, labels: Tensor, n: int) -> ClassTuples:
    """Return the tuples of the support, by class, from keys and values (b s m e)."""
    own, present = by_class(keys, labels, n)  # (b n k m e), (b n k)
    values = by_class(values, labels, n)[0]
    present = present.repeat_interleave(keys.shape[2], -1)
    return ClassTuples(own.flatten(2, 3), values.flatten(2, 3), present)


class TupleAttention(nn.Module):
    """Cross-attention of TRX between tuples of one size: K = LN(W_k x + b_k), V = W_v x + b_v.

    The maps serve support and query alike.

    Args:
        width: Length d of a frame's vector.
        size: Number of frames ω of a tuple.
        inner: Length e of keys and values.
        positions: Positions of the frames, added first.
    """

    def __init__(self, width: int, size: int, inner: int, positions: Positions) -> None:
        super().__init__()
        self.size = size
        self.positions = positions
        self.keys = nn.Linear(size * width, inner)
        self.values = nn.Linear(size * width, inner)
        self.norm = nn.LayerNorm(inner)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (… m e) of the tuples of frames (… t d)."""
        frames = self.positions(frames)
        keys = self.norm(map_tuples(self.keys, frames, self.size))
        return keys, map_tuples(self.values, frames, self.size)


def tuple_scores(keys: Tensor, values: Tensor, support: ClassTuples) -> Tensor:
    """Return the scores of TRX: −(1/m) Σ_p ‖V_q(p) − Σ w V_s‖², w = softmax(K_q(p)·K_s/√e).

    The softmax of a query's tuple p is over all tuples of all shots of a class.

    Args:
        keys: Keys (b q m e) of the queries.
        values: Values (b q m e) of the queries.
        support: Keys and values of the support.

    Returns:
        (b q n).
    """
    scaled = keys / math.sqrt(keys.shape[-1])
    absent = support.present[:, None, None] == 0  # (b 1 1 n k·m)
    padded = bool(absent.any())

    def score(episodes: slice, queries: slice) -> Tensor:
        own, value = scaled[episodes, queries], values[episodes, queries]  # (b q m e)
        q, m = own.shape[1:3]
        attention = own.flatten(1, 2) @ support.keys[episodes].flatten(1, 2).mT  # (b q·m n·k·m)
        attention = attention.unflatten(2, support.keys.shape[1:3]).unflatten(1, (q, m))
        if padded:
            attention = attention.masked_fill(absent[episodes], -torch.inf)
        weights = attention.softmax(-1).permute(0, 3, 1, 2, 4).flatten(2, 3)  # (b n q·m k·m)
        prototypes = (weights @ support.values[episodes]).unflatten(2, (q, m))  # (b n q m e)
        distance: Tensor = (value[:, None] - prototypes).square().sum(-1).mean(-1)  # (b n q)
        return -distance.mT

    n, tuples, inner = support.values.shape[1:]
    b, q, m = keys.shape[:3]
    return in_chunks(score, b, q, m * n * max(tuples, inner))


def in_chunks(
    score: Callable[[slice, slice], Tensor], episodes: int, queries: int, elements: int
) -> Tensor:
    """Return scores (b q n), computed for a few episodes or queries at a time.

    Args:
        score: Function of slices of episodes and queries that returns their scores.
        episodes: Number of episodes b.
        queries: Number of queries q of each.
        elements: Elements of the largest intermediate tensor, for one query of one episode.
    """
    columns = max(1, min(queries, MAX_ELEMENTS // elements))
    rows = max(1, MAX_ELEMENTS // (columns * elements))
    parts = [
        torch.cat(
            [score(slice(i, i + rows), slice(j, j + columns)) for j in range(0, queries, columns)],
            1,
        )
        for i in range(0, episodes, rows)
    ]
    return torch.cat(parts)
