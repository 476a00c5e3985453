"""What the queries of an episode are compared with: the support's videos, or their means."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact.methods.base import one_hot_mean


@dataclass(frozen=True)
class Compared:
    """Frames (b p t d) that queries are compared with, and how these average to classes (b n p)."""

    frames: Tensor
    classes: Tensor

    def average(self, pairs: Tensor) -> Tensor:
        """Scores with what is compared, (b q p), to those with the classes, (b q n)."""
        return torch.einsum("bqp,bnp->bqn", pairs, self.classes)


def compared_with(frames: Tensor, labels: Tensor, n: int, *, prototypes: bool) -> Compared:
    """The support of each episode.

    Args:
        frames: Of its videos, (b s t d).
        labels: (b s) int64 in 0 … n−1.
        n: Number of classes.
        prototypes: Whether a class's videos are averaged frame by frame; else each stands alone.
    """
    mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
    if not prototypes:
        return Compared(frames, mean)
    one_each = torch.eye(n, dtype=frames.dtype, device=frames.device)
    return Compared(
        torch.einsum("bns,bstd->bntd", mean, frames), one_each.expand(len(frames), n, n)
    )
