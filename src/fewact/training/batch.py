"""What a device gets for one forward pass."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fewact.features.request import Request
from fewact.training.drawing import Drawn


@dataclass(frozen=True)
class Batch:
    """Videos with their frames, or with their features.

    Args:
        drawn: Which videos these are.
        labels: (v) int64, which of the training classes each is of.
        frames: By number of input frames (v t 3 H W), uint8, as they were read; empty where
            there are features.
        features: By tap (v t …); empty where there are frames.
        crops: (v 8) float32 for each video how it is augmented, see ``draw_crop``; None without.
        unreadable: What is wrong with videos that cannot be read.
        warned: What there is to warn of.
    """

    drawn: Drawn
    labels: Tensor
    frames: dict[int, Tensor]
    features: dict[Request, Tensor]
    crops: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return replace(
            self,
            labels=self.labels.to(device, non_blocking=True),
            frames={t: x.to(device, non_blocking=True) for t, x in self.frames.items()},
            features={t: x.to(device, non_blocking=True) for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "Batch":
        """The same in memory that a GPU can read by itself."""
        return replace(
            self,
            labels=self.labels.pin_memory(),
            frames={t: x.pin_memory() for t, x in self.frames.items()},
            features={t: x.pin_memory() for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.pin_memory(),
        )
