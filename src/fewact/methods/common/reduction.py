"""From a backbone's channels to the few that second-order moments can afford."""

from typing import Literal

import torch
from torch import Tensor, nn

from fewact.errors import OptionError, ShapeError

Reduction = Literal["auto", "none", "orthogonal", "pca", "linear", "learned"]

AFFORDABLE = 128
HIDDEN = 256


def orthogonal_projection(channels: int, width: int) -> Tensor:
    """A fixed random projection (width channels) with orthonormal rows, the same everywhere."""
    generator = torch.Generator().manual_seed(0)
    gaussian = torch.randn(channels, width, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    projection: Tensor = (q * r.diagonal().sign()).T.to(torch.float32)
    return projection


class ChannelReduction(nn.Module):
    """Maps (… c h w) or vectors (… c) to fewer channels.

    ``auto`` keeps up to 128 channels as they are and projects more of them on 128 fixed orthonormal
    directions. ``pca`` projects on principal directions, to be fitted by ``fit`` first. ``learned``
    is the 1×1 convolution c → 256 → width of A²M²-Net, each with batch norm and ReLU. ``linear`` is
    one matrix that learns; it begins as the fixed projection, or as the identity where the width is
    c, so that training begins with what needs none.

    Args:
        kind: Which of them.
        width: Channels that remain.
        in_channels: Channels that come in; needed for ``learned``, ``linear`` and for loading a
            fitted ``pca``.
    """

    projection: Tensor
    mean: Tensor

    def __init__(self, kind: Reduction, width: int, in_channels: int | None = None) -> None:
        super().__init__()
        self.kind, self.width, self.in_channels = kind, width, in_channels
        if kind in ("learned", "linear") and in_channels is None:
            raise OptionError(
                "a learned reduction must know how many channels come in",
                where='option "in_channels"',
                expected="the first size of the card's maps, 2048 for resnet50",
            )
        if kind == "linear" and in_channels is not None:
            same = width == in_channels
            begin = torch.eye(width) if same else orthogonal_projection(in_channels, width)
            self.matrix = nn.Parameter(begin)
        if kind == "learned" and in_channels is not None:
            self.network = nn.Sequential(
                *self._layer(in_channels, HIDDEN), *self._layer(HIDDEN, width)
            )
        fitted = in_channels if kind == "pca" and in_channels is not None else 0
        self.register_buffer("projection", torch.zeros(width if fitted else 0, fitted))
        self.register_buffer("mean", torch.zeros(fitted))

    @staticmethod
    def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)

    def fit(self, samples: Tensor) -> None:
        """Find the principal directions.

        Args:
            samples: (m c) channels of many places of many videos.

        Raises:
            ShapeError: Fewer channels or samples than the width asks for.
        """
        if samples.ndim != 2 or min(samples.shape) < self.width:
            raise ShapeError(
                "too few to find the principal directions",
                where="samples",
                got=f"{tuple(samples.shape)}",
                expected=f"(m c), both at least {self.width}",
            )
        exact = samples.to(torch.float64)
        mean = exact.mean(0)
        covariance = (exact - mean).T @ (exact - mean) / len(exact)
        directions = torch.linalg.eigh(covariance).eigenvectors.flip(-1)[:, : self.width].T  # (d c)
        largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
        self.projection = (directions * largest.sign()).to(samples)
        self.mean = mean.to(samples)

    def forward(self, features: Tensor) -> Tensor:
        """Reduce: (… c h w) → (… d h w).

        Raises:
            ShapeError: Not the channels that it was made for.
        """
        channels = features.shape[-3]
        if self.in_channels not in (None, channels):
            raise ShapeError(
                "not the channels that the reduction was made for",
                where='option "in_channels"',
                got=f"maps of {channels} channels",
                expected=f"{self.in_channels}",
            )
        if self.kind == "none" or (self.kind == "auto" and channels <= AFFORDABLE):
            return features
        if self.kind == "learned":
            flat: Tensor = self.network(features.flatten(0, -4))
            return flat.reshape(*features.shape[:-3], *flat.shape[1:])
        if self.kind == "linear":
            return torch.einsum("dc,...chw->...dhw", self.matrix, features)
        if self.kind == "pca":
            if not len(self.mean):
                raise OptionError(
                    "the principal directions were not fitted",
                    where='option "reduction"',
                    got="pca",
                    hint="Call fit_reduction with features of other clips first.",
                )
            features, projection = features - self.mean[:, None, None], self.projection
        else:
            width = AFFORDABLE if self.kind == "auto" else min(self.width, channels)
            projection = orthogonal_projection(channels, width)
        return torch.einsum("dc,...chw->...dhw", projection.to(features), features)
