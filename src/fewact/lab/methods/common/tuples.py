"""Ordered tuples of frames: their linear maps, and TRX's attention from a query to a class.

A linear map of concatenated frames is a sum with one term per position in the tuple:
W [x₁; x₂] = W₁ x₁ + W₂ x₂. So each frame is mapped once per position, not once per tuple.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from fewact.core.errors import OptionError
from fewact.lab.methods.common.attention import time_code
from fewact.lab.methods.common.shots import by_class, in_chunks


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
    """Add a scaled sinusoidal code of the position to each token, then apply dropout."""

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
        return self.scale * time_code(m, d).to(tokens)


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


def class_tuples(keys: Tensor, values: Tensor | None, labels: Tensor, n: int) -> ClassTuples:
    """Return the support's tuples by class, of (b s m e); values are the keys if None."""
    by_shot, present = by_class(keys, labels, n)  # (b n k m e), (b n k)
    by_shot = by_shot.flatten(2, 3)
    values_by_shot = by_shot if values is None else by_class(values, labels, n)[0].flatten(2, 3)
    return ClassTuples(by_shot, values_by_shot, present.repeat_interleave(keys.shape[2], -1))


def check_cardinalities(sizes: Sequence[int], frames: int, option: str) -> None:
    """Refuse numbers of frames of a tuple that a video does not have, or that are repeated."""
    if max(sizes) > frames or len(set(sizes)) < len(sizes):
        raise OptionError(
            "no such tuples of frames",
            where=f'option "{option}"',
            got=",".join(map(str, sizes)),
            expected=f"different numbers from 1 to {frames}, the number of frames",
        )


class TupleAttention(nn.Module):
    """Cross-attention of TRX between tuples of one size: K = LN(W_k x + b_k), V = W_v x + b_v.

    The maps serve support and query alike.

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
    absent = _absent(support)

    def score(episodes: slice, queries: slice) -> Tensor:
        query_keys, value = scaled[episodes, queries], values[episodes, queries]  # (b q m e)
        attention = _products(query_keys, support.keys[episodes])  # (b n q·m k·m)
        if absent is not None:
            attention = attention.masked_fill(absent[episodes], -torch.inf)
        prototypes = attention.softmax(-1) @ support.values[episodes]  # (b n q·m e)
        distance = vector_norm(prototypes.sub_(value.flatten(1, 2)[:, None]), dim=-1).square()
        scores: Tensor = -distance.unflatten(2, query_keys.shape[1:3]).mean(-1).mT  # (b q n)
        return scores

    return in_chunks(score, len(keys), keys.shape[1], _elements(keys, support))


def matched_frames(keys: Tensor, support: Tensor, t: int, size: int) -> Tensor:
    """Return how strongly frames of two videos are joined by the attention of their tuples.

    The weight with which a tuple of the first video attends to one of the second is shared equally
    among their frames.

    Args:
        keys: Keys (m e) of the first video's tuples.
        support: Keys (m e) of the second video's tuples.
        t: Number of frames of each.
        size: Number of frames of a tuple.

    Returns:
        (t t), of total 1.
    """
    attention = (keys @ support.mT / math.sqrt(keys.shape[-1])).softmax(-1)  # (m m)
    indices = tuples_of(t, size).to(keys.device)
    frames = keys.new_zeros(len(indices), t).scatter_(1, indices, 1 / size)  # (m t)
    plan: Tensor = frames.mT @ attention @ frames / len(indices)
    return plan


def nearest_tuple_scores(values: Tensor, support: ClassTuples) -> Tensor:
    """Return −(1/m) Σ_p min ‖V_q(p) − V_s‖, the minimum over all tuples of all shots of a class."""
    # About the mean, values of nearly equal tuples are small, and so are the rounding errors.
    with torch.no_grad():
        number = support.present.sum((1, 2))[:, None, None, None]
        mean = support.values.sum((1, 2), keepdim=True) / number  # (b 1 1 e), padding is 0
        centred = support.values - mean
        lengths = centred.square().sum(-1)[:, :, None]  # (b n 1 k·m)
    absent = _absent(support)

    def score(episodes: slice, queries: slice) -> Tensor:
        query_values, class_values = (
            values[episodes, queries],
            support.values[episodes],
        )  # (b q m e)
        # The squared distance but for ‖V_q‖². Rounding may choose a tuple that is as near; the
        # distance to the chosen one is exact.
        with torch.no_grad():
            products = _products(query_values - mean[episodes], centred[episodes])  # (b n q·m k·m)
            order = lengths[episodes] - 2 * products
            if absent is not None:
                order = order.masked_fill(absent[episodes], torch.inf)
            nearest = order.argmin(-1)  # (b n q·m)
        matched = torch.take_along_dim(class_values, nearest[..., None], 2)  # (b n q·m e)
        distance = vector_norm(query_values.flatten(1, 2)[:, None] - matched, dim=-1)
        scores: Tensor = -distance.unflatten(2, query_values.shape[1:3]).mean(-1).mT  # (b q n)
        return scores

    return in_chunks(score, len(values), values.shape[1], _elements(values, support))


def _products(queries: Tensor, support: Tensor) -> Tensor:
    """Return all inner products: (b q m e), (b n k·m e) → (b n q·m k·m)."""
    products = queries.flatten(1, 2) @ support.flatten(1, 2).mT  # (b q·m n·k·m)
    by_query: Tensor = products.unflatten(2, support.shape[1:3]).transpose(1, 2)
    return by_query


def _absent(support: ClassTuples) -> Tensor | None:
    """Return where tuples are padding (b n 1 k·m); None without padding."""
    absent = support.present[:, :, None] == 0
    return absent if bool(absent.any()) else None


def _elements(queries: Tensor, support: ClassTuples) -> int:
    """Return the elements of the largest intermediate tensor, for one query of one episode."""
    n, tuples, inner = support.values.shape[1:]
    return queries.shape[2] * n * max(tuples, inner)
