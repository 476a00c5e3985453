"""Scores of a few episodes or queries at a time, so that intermediate tensors stay small."""

from collections.abc import Callable

import torch
from torch import Tensor

MAX_ELEMENTS = 2**21
"""Approximate number of elements of the largest intermediate tensor of a chunk, for the caches."""


def in_chunks(
    score: Callable[[slice, slice], Tensor], episodes: int, queries: int, elements: int
) -> Tensor:
    """Return scores (b q n), computed for a few episodes or queries at a time.

    Args:
        score: Function of slices of episodes and queries that returns their scores.
        episodes: Number of episodes b.
        queries: Number of queries q of an episode.
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
