"""Similarity transforms (shift, zoom and rotation) and images warped by them.

Positions are complex numbers, x to the right and y down from the image center, in pixel heights: a
similarity is then z → linear·z + shift, and two of them compose by a product and a sum.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Similarity:
    """Similarity transforms: a position z maps to linear·z + shift.

    Args:
        linear: Linear parts (…), complex: zoom · exp(i · angle).
        shift: Shifts (…), complex, in pixel heights.
    """

    linear: Tensor
    shift: Tensor

    @staticmethod
    def identity(count: int, dtype: torch.dtype = torch.complex64) -> "Similarity":
        """Return identities (count)."""
        return Similarity(torch.ones(count, dtype=dtype), torch.zeros(count, dtype=dtype))

    @property
    def is_identity(self) -> Tensor:
        """Whether each is the identity: (…) bool."""
        return (self.linear == 1) & (self.shift == 0)

    def __call__(self, positions: Tensor) -> Tensor:
        """Transform positions (… h w)."""
        return self.linear[..., None, None] * positions + self.shift[..., None, None]

    def __getitem__(self, which: slice | Tensor) -> "Similarity":
        return Similarity(self.linear[which], self.shift[which])

    def after(self, first: "Similarity") -> "Similarity":
        """Return the composition: the other is applied first, then this one."""
        return Similarity(self.linear * first.linear, self.linear * first.shift + self.shift)

    def inverse(self) -> "Similarity":
        """Return the inverse."""
        return Similarity(1 / self.linear, -self.shift / self.linear)

    def scaled(self, factor: float) -> "Similarity":
        """Return the transform for images with ``factor`` times as many rows."""
        return Similarity(self.linear, self.shift * factor)

    def where(self, mask: Tensor, alternative: "Similarity") -> "Similarity":
        """Return this where ``mask`` (…) is true, else the alternative."""
        return Similarity(
            torch.where(mask, self.linear, alternative.linear),
            torch.where(mask, self.shift, alternative.shift),
        )


def pixel_positions(height: int, width: int, pixel: float, dtype: torch.dtype) -> Tensor:
    """Return the positions of pixel centers: complex (h w).

    Args:
        height: Number of rows.
        width: Number of columns.
        pixel: Width of a pixel over its height.
        dtype: Data type of the real and imaginary parts.
    """
    y = torch.arange(height, dtype=dtype) - (height - 1) / 2
    x = (torch.arange(width, dtype=dtype) - (width - 1) / 2) * pixel
    return torch.complex(x.expand(height, width), y[:, None].expand(height, width))


def sample(images: Tensor, at: Tensor, pixel: float = 1.0) -> tuple[Tensor, Tensor]:
    """Sample images bilinearly.

    Args:
        images: Images (t c h w), floating.
        at: Positions (t h' w'), complex.
        pixel: Width of a pixel over its height.

    Returns:
        Values (t c h' w'), and whether each position is inside, between pixel centers (t h' w')
        bool. A position outside gets the value of the nearest pixel.
    """
    height, width = images.shape[-2:]
    x = at.real * (2 / (pixel * width))
    y = at.imag * (2 / height)
    # The tolerance for rounding keeps the image's own pixels inside.
    inside = (x.abs() <= 1 - (1 - 1e-3) / width) & (y.abs() <= 1 - (1 - 1e-3) / height)
    grid = torch.stack([x, y], -1).to(images.dtype)
    sampled = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return sampled, inside


def warp(
    images: Tensor,
    transform: Similarity,
    size: tuple[int, int],
    *,
    pixel: float = 1.0,
    parallax: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Warp each image by its similarity transform.

    Args:
        images: Images (t c h w), floating.
        transform: Similarities (t), from positions in the result to positions in the images.
        size: Height and width of the result, in pixels.
        pixel: Width of a pixel over its height.
        parallax: Fraction by which the shift grows from the middle to the bottom row; it shrinks
            as much towards the top row.

    Returns:
        Warped images (t c h' w'), and whether each pixel is inside the image (t h' w') bool.
    """
    height, width = size
    positions = pixel_positions(height, width, pixel, transform.linear.real.dtype)  # (h' w')
    at = transform(positions)  # (t h' w')
    if parallax:
        at = at + transform.shift[:, None, None] * (parallax * positions.imag * 2 / height)
    return sample(images, at, pixel)
