"""A learnable matrix that mixes the channels of feature maps."""

import torch
from torch import Tensor, nn

from fewact.core.errors import ShapeError


class ChannelMixing(nn.Module):
    """Linear mixing of channels; initially the identity.

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Mix the channels of maps: (… c h w) → (… c h w).

        Raises:
            ShapeError: The maps have another number of channels.
        """
        channels = len(self.matrix)
        if maps.shape[-3] != channels:
            raise ShapeError(
                "the channels are mixed by a matrix of another size",
                where='option "channel_mixing"',
                got=f"maps of {maps.shape[-3]} channels",
                expected=str(channels),
            )
        return torch.einsum("dc,...chw->...dhw", self.matrix, maps)
