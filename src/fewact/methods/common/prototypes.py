"""Frames of the support that queries are compared with: of each video, or averaged by class."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fewact.methods.base import one_hot_mean

ShotAggregation = Literal["mean", "prototype"]
"""How several shots make one score: mean of the scores with each, or score with their mean."""


@dataclass(frozen=True)
class SupportFrames:
    """Frames that queries are compared with.

    Args:
        frames: (b p t d), of the support videos or of the prototypes.
        classes: (b n p) weights that average the scores of each class; None if each element of
            ``frames`` is a class.
    """

    frames: Tensor
    classes: Tensor | None

    def average(self, pairs: Tensor) -> Tensor:
        """Return class scores (b q n) from scores (b q p) with each element of ``frames``."""
        if self.classes is None:
            return pairs
        return torch.einsum("bqp,bnp->bqn", pairs, self.classes)


def support_frames(
    frames: Tensor, labels: Tensor, n: int, shot_aggregation: ShotAggregation
) -> SupportFrames:
    """Return the frames that queries are compared with.

    Args:
        frames: Frames of the support videos (b s t d).
        labels: (b s) int64 in 0 … n−1.
        n: Number of classes.
        shot_aggregation: ``mean`` keeps each video and averages their scores; ``prototype``
            averages the videos of a class, frame by frame.
    """
    if _is_one_each(labels, n):
        return SupportFrames(frames, None)
    mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
    if shot_aggregation == "mean":
        return SupportFrames(frames, mean)
    return SupportFrames(torch.einsum("bns,bstd->bntd", mean, frames), None)


def _is_one_each(labels: Tensor, n: int) -> bool:
    """Return whether video i is the only one of class i; thousands of classes then need no sums."""
    return labels.shape[-1] == n and bool((labels == torch.arange(n, device=labels.device)).all())
