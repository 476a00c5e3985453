"""Reduction of a backbone's channels to a number that second-order moments can afford."""

from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

from fewact.core.errors import OptionError, ShapeError
from fewact.methods.common import reduction
from fewact.methods.common.reduction import AFFORDABLE

Reduction = Literal["auto", "none", "orthogonal", "pca", "linear", "learned"]

HIDDEN = 256


@cache
@torch.inference_mode(False)  # The result may be used in training later.
def orthogonal_projection(channels: int, width: int) -> Tensor:
    """Return the fixed projection (width channels) of the core as a tensor; not to be changed."""
    return torch.from_numpy(reduction.orthogonal_projection(channels, width).copy())


class ChannelReduction(nn.Module):
    """Reduction of maps (… c h w) to fewer channels.

    ``auto`` keeps up to 128 channels and projects more channels on 128 fixed orthonormal
    directions. ``orthogonal`` projects on ``width`` such directions. ``pca`` projects on principal
    directions, after ``fit``. ``learned`` is the 1×1 convolution c → 256 → width of A²M²-Net, each
    with batch norm and ReLU. ``linear`` is one trained matrix; its initial value is the fixed
    projection, or the identity for width c, so that training starts from the untrained method.

    Args:
        method: One of these reductions.
        width: Channels after the reduction.
        in_channels: Channels before the reduction; required for ``learned``, ``linear`` and for
            loading a fitted ``pca``.
    """

    projection: Tensor
    mean: Tensor

    def __init__(self, method: Reduction, width: int, in_channels: int | None = None) -> None:
        super().__init__()
        self.method, self.width, self.in_channels = method, width, in_channels
        if method in ("learned", "linear") and in_channels is None:
            raise OptionError(
                "a trained reduction needs the number of input channels",
                where='option "moments.in_channels"',
                expected="number of channels of the backbone's level, such as 2048 for resnet50",
            )
        if method == "linear" and in_channels is not None:
            keeps_width = width == in_channels
            initial = torch.eye(width) if keeps_width else orthogonal_projection(in_channels, width)
            self.matrix = nn.Parameter(initial.clone())
            self.width = len(initial)  # at most the channels
        if method == "learned" and in_channels is not None:
            self.network = nn.Sequential(
                *self._layer(in_channels, HIDDEN), *self._layer(HIDDEN, width)
            )
        fitted = in_channels if method == "pca" and in_channels is not None else 0
        self.register_buffer("projection", torch.zeros(width if fitted else 0, fitted))
        self.register_buffer("mean", torch.zeros(fitted))

    @staticmethod
    def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)

    def fit(self, samples: Tensor) -> None:
        """Fit the principal directions to samples (m c): channels of many cells of many videos."""
        if samples.ndim != 2 or min(samples.shape) < self.width:
            raise ShapeError(
                "too few samples or channels for the principal directions",
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

    def reduced(self, channels: int) -> int:
        """Return the number of channels after the reduction."""
        if self._keeps(channels):
            return channels
        if self.method in ("auto", "orthogonal"):
            return AFFORDABLE if self.method == "auto" else min(self.width, channels)
        return self.width

    def _keeps(self, channels: int) -> bool:
        return self.method == "none" or (self.method == "auto" and channels <= AFFORDABLE)

    def forward(self, features: Tensor) -> Tensor:
        """Reduce the channels: (… c h w) → (… d h w)."""
        channels = features.shape[-3]
        if self.in_channels not in (None, channels):
            raise ShapeError(
                "the maps have another number of channels than the reduction",
                where='option "moments.in_channels"',
                got=f"maps of {channels} channels",
                expected=f"{self.in_channels}",
            )
        if self._keeps(channels):
            return features
        if self.method == "learned":
            flat: Tensor = self.network(features.flatten(0, -4))
            return flat.reshape(*features.shape[:-3], *flat.shape[1:])
        if self.method == "linear":
            return torch.einsum("dc,...chw->...dhw", self.matrix, features)
        if self.method == "pca":
            if not len(self.mean):
                raise OptionError(
                    "the principal directions were not fitted",
                    where='option "moments.reduction"',
                    got="pca",
                    hint="Call fit_reduction with features of other clips first.",
                )
            features, projection = features - self.mean[:, None, None], self.projection
        else:
            projection = orthogonal_projection(channels, self.reduced(channels))
        return torch.einsum("dc,...chw->...dhw", projection.to(features), features)
