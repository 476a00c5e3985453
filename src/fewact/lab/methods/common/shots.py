"""Videos of the support by class."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fewact.lab.methods.base import one_hot_mean


def by_class(videos: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the videos of each class, and which of them are present.

    Args:
        videos: (b s …).
        labels: (b s) int64 in 0 … n−1.
        n: Number of classes.

    Returns:
        Videos (b n k …) and present (b n k), of their data type, 1 for a video and 0 for padding.
        k is the largest number of shots; classes with fewer are padded with zeros at the end.

    >>> videos, present = by_class(torch.tensor([[3.0, 4.0, 5.0]]), torch.tensor([[1, 0, 1]]), 2)
    >>> videos.tolist(), present.tolist()
    ([[[4.0, 0.0], [3.0, 5.0]]], [[[1.0, 0.0], [1.0, 1.0]]])
    """
    hot = functional.one_hot(labels, n)  # (b s n)
    k = int(hot.sum(1).max())
    balanced = labels.shape[1] == n * k
    if balanced and bool(
        (labels == torch.arange(n, device=labels.device).repeat_interleave(k)).all()
    ):
        return videos.unflatten(1, (n, k)), videos.new_ones(len(videos), n, k)  # no copy
    order = (1 - hot).argsort(dim=1, stable=True)[:, :k]  # (b k n): videos of the class first
    present = hot.gather(1, order).transpose(1, 2).to(videos.dtype)  # (b n k)
    batch = torch.arange(len(videos), device=videos.device)[:, None, None]
    sorted_videos = videos[batch, order.transpose(1, 2)]  # (b n k …)
    if balanced:
        return sorted_videos, present
    padding = present.reshape(*present.shape, *[1] * (videos.ndim - 2))
    return sorted_videos * padding, present


def class_means(videos: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the mean of each class's videos: (b s …), (b s) → (b n …)."""
    return torch.einsum("bns,bs...->bn...", one_hot_mean(labels, n, videos.dtype), videos)


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
