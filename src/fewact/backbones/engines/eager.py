"""The engine ``torch``: the network itself, on any device and in any precision."""

from collections.abc import Collection
from functools import cached_property

import torch
from torch import Tensor

from fewact.backbones.card import EngineName, Level
from fewact.backbones.engines.folding import folded
from fewact.backbones.network import Network
from fewact.backbones.precision import exact_convolutions

# Few images fit a CPU's cache. Four at a time are a third faster than one at a time, and were
# measured to give equal features up to rounding.
IMAGES_AT_ONCE_CPU = 4
IMAGES_AT_ONCE_GPU = 64


class TorchEngine:
    """Runs a network.

    Where batch norm is folded, later changes of its weights have no effect: a copy runs, which is
    made at the first run.

    Args:
        network: Network in evaluation mode, on its device.
        precision: Precision of its arithmetic, ``float32`` or ``bfloat16``.
    """

    name: EngineName = "torch"

    def __init__(self, network: Network, precision: str) -> None:
        self.memory_format = network.memory_format
        self._network, self._precision = network, precision
        self._device = next(network.parameters()).device
        together = network.frames_together
        most = IMAGES_AT_ONCE_CPU if self._device.type == "cpu" else IMAGES_AT_ONCE_GPU
        self.images_at_once = max(1, most // together) * together

    @cached_property
    def _folded(self) -> Network:
        """The network, in float32 with batch norm folded; bfloat16 rounds folded weights more."""
        return self._network if self._precision == "bfloat16" else folded(self._network)

    # The mode belongs to the thread that computes.
    @torch.inference_mode()
    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, see ``Engine``."""
        lower = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
        )
        with lower, exact_convolutions(self._device):
            found = self._folded(images, levels)
        return {level: value.float().contiguous() for level, value in found.items()}
