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
        classes: (b n p) weights that average the scores of each class.
    """

    frames: Tensor
    classes: Tensor

    def average(self, pairs: Tensor) -> Tensor:
        """Return class scores (b q n) from scores (b q p) with each element of ``frames``."""
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
    mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
    if shot_aggregation == "mean":
        return SupportFrames(frames, mean)
    identity = torch.eye(n, dtype=frames.dtype, device=frames.device)
    return SupportFrames(
        torch.einsum("bns,bstd->bntd", mean, frames), identity.expand(len(frames), n, n)
    )
