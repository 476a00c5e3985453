"""Parts of ``molo``: a branch's tokens, motion between maps, and the decoder of pixels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.methods.common.scaled_positions import ScaledPositions
from fewact.methods.common.transformer import Transformer


class Tokens(nn.Module):
    """Global token and frames after a transformer.

    Args:
        width: Length d of a frame.
        positions: Positions that are added first.
        transformer: Transformer among the tokens.
    """

    def __init__(self, width: int, positions: ScaledPositions, transformer: Transformer) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(width))
        self.positions, self.transformer = positions, transformer
        self.contrast_scale = nn.Parameter(torch.ones(()))

    def forward(self, frames: Tensor) -> Tensor:
        """Return tokens (… 1+t d) of frames (… t d)."""
        return functional.relu(self.transformer(self._tokens(frames)))

    def attention(self, frames: Tensor) -> Tensor:
        """Return the attention weights (… t t) among frames (… t d), without the global token's."""
        return self.transformer.attention(self._tokens(frames))[..., 1:, 1:]

    def _tokens(self, frames: Tensor) -> Tensor:
        token = self.token.expand_as(frames[..., :1, :])
        tokens: Tensor = self.positions(torch.cat([token, frames], -2))
        return tokens


class Motion(nn.Module):
    """Difference of each frame's map, reduced and convolved, to its predecessor's.

    Args:
        channels: Channels c of a map.
        width: Reduced number of channels.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(channels, width, 3, padding=1)
        self.convolve = nn.Conv2d(width, width, 3, padding=1)
        self.restore = nn.Conv2d(width, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the motion (v t−1 c' h w) between maps (v t c h w)."""
        reduced = self.reduce(maps.transpose(1, 2)).transpose(1, 2)  # (v t c' h w)
        convolved = self.convolve(reduced.flatten(0, 1)).unflatten(0, reduced.shape[:2])
        motion: Tensor = convolved[:, 1:] - reduced[:, :-1]
        return motion

    def vectors(self, motion: Tensor) -> Tensor:
        """Return motion (v t−1 c' h w) as vectors (v t−1 c)."""
        restored = functional.relu(self.restore(motion.flatten(0, 1))).mean((-2, -1))
        vectors: Tensor = restored.unflatten(0, motion.shape[:2])
        return vectors


def decoder(width: int) -> nn.Sequential:
    """Return the network from motion (m c' h w) to pixel differences (m 3 32h 32w)."""
    layers: list[nn.Module] = []
    for factor, channels in ((2, 128), (4, 32), (4, 16)):
        layers += [
            nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=True),
            nn.Conv2d(width, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        width = channels
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 1))
