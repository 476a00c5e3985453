"""Inference engines: what computes a backbone's features on prepared images.

``torch`` runs on every device, in float32 and bfloat16. ``onnx`` runs ONNX Runtime on a CPU in
float32, where it is faster, and in int8, for networks whose graphs come with fewact. Batch norm is
folded into convolutions in both, but in bfloat16.
"""

from collections.abc import Collection
from typing import Protocol

import torch
from torch import Tensor

from fewact.backbones.card import EngineName, Level


class Engine(Protocol):
    """Computes features of normalised images."""

    @property
    def name(self) -> EngineName:
        """Name of the engine."""

    @property
    def images_at_once(self) -> int:
        """Number of images of one run, a multiple of the network's ``frames_together``."""

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of the images."""

    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, computed no deeper than needed.

        Args:
            images: Normalised images (n 3 H W), at most ``images_at_once`` of them.
            levels: Requested levels, without ``pixels``.

        Returns:
            Features by level, float32 and contiguous, on the device of the images.
        """
