"""Batches: the inputs of one forward pass."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fewact.features.request import Request
from fewact.training.drawing import Drawn


@dataclass(frozen=True)
class Batch:
    """Videos with their frames or with their features.

    Args:
        drawn: Positions of the videos in the list.
        labels: Training classes (v) of the videos, int64.
        frames: Frames (v t 3 H W), uint8, by number of input frames; empty if there are features.
        features: Features (v t …) by request; empty if there are frames.
        crops: Augmentation parameters (v 8), float32, see ``draw_crop``; None for no augmentation.
        unreadable: Errors of videos that cannot be read.
        warned: Warnings of the decoder.
    """

    drawn: Drawn
    labels: Tensor
    frames: dict[int, Tensor]
    features: dict[Request, Tensor]
    crops: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device."""
        return replace(
            self,
            labels=self.labels.to(device, non_blocking=True),
            frames={t: x.to(device, non_blocking=True) for t, x in self.frames.items()},
            features={t: x.to(device, non_blocking=True) for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "Batch":
        """Copy the batch to pinned memory."""
        return replace(
            self,
            labels=self.labels.pin_memory(),
            frames={t: x.pin_memory() for t, x in self.frames.items()},
            features={t: x.pin_memory() for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.pin_memory(),
        )
