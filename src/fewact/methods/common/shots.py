"""Support videos that queries are compared with, or their means; arrays or tensors."""

from dataclasses import dataclass
from typing import Any, Literal

from fewact.core.array_api import namespace
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

    frames: Any
    classes: Any

    def average(self, pairs: Any) -> Any:
        """Return class scores (b q n) from scores (b q p) with each element of ``frames``."""
        return pairs if self.classes is None else pairs @ self.classes.mT


def support_frames(
    frames: Any, labels: Any, n: int, shot_aggregation: ShotAggregation
) -> SupportFrames:
    """Return the frames that queries are compared with."""
    if _is_one_each(labels, n):
        return SupportFrames(frames, None)
    mean = one_hot_mean(labels, n, frames.dtype)  # (b n s)
    if shot_aggregation == "mean":
        return SupportFrames(frames, mean)
    b, s, *shape = frames.shape
    return SupportFrames((mean @ frames.reshape(b, s, -1)).reshape(b, n, *shape), None)


def _is_one_each(labels: Any, n: int) -> bool:
    """Return whether video i is the only one of class i; thousands of classes then need no sums."""
    xp = namespace(labels)
    classes = xp.arange(n, device=labels.device)
    return labels.shape[-1] == n and bool(xp.all(labels == classes))
