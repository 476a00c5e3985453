"""What faults of a recording are measured in: some of the frames, and the luma of some pixels."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])
STEP = 4
"""Every so many rows and columns are measured."""

MEASURED = 8
"""Most frames that grain and flicker are measured in."""


def grey_of(frames: Tensor) -> Tensor:
    """Return the luma (t h w) float32 of frames (t 3 h w), the same on every processor.

    Thousandths are added: their sums are integers, which no order of additions rounds.
    """
    weights = torch.from_numpy(1000 * LUMA).round().float()
    luma = torch.empty(len(frames), *frames.shape[2:], dtype=torch.float32)
    for grey, frame in zip(luma, frames.permute(0, 2, 3, 1), strict=True):  # each fits the cache
        torch.matmul(frame.float(), weights, out=grey).div_(1000)
    return luma


def some_frames(frames: Frames) -> Frames:
    """Return at most ``MEASURED`` of the frames (t h w 3), spread evenly."""
    count = min(MEASURED, len(frames))
    return frames[(2 * np.arange(count) + 1) * len(frames) // (2 * count)]


def luma_of(frames: Frames) -> Floats:
    """Return the luma (t h w) of some pixels of frames (t h w 3)."""
    return np.asarray(frames[:, ::STEP, ::STEP] @ LUMA)


def lower_median(values: NDArray[Any]) -> Any:
    """Return the median (…) of values (n …); the lower of two middle ones.

    The same as torch's, in less than a third of its time. Sorting is faster than partitioning where
    many values are equal.
    """
    return np.sort(values, axis=0)[(len(values) - 1) // 2]
