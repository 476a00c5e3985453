"""Pictures seen through a shift, zoom and rotation.

The plane's points are complex numbers, x to the right and y down from the picture's middle, in
heights of a pixel: a similarity is then z → turn·z + shift, and two of them compose by a product
and a sum.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Similarity:
    """Shift, zoom and rotation: a point z goes to turn·z + shift.

    Args:
        turn: (…) complex, zoom · exp(i · angle).
        shift: (…) complex, in heights of a pixel.
    """

    turn: Tensor
    shift: Tensor

    @staticmethod
    def identity(count: int, dtype: torch.dtype = torch.complex64) -> "Similarity":
        """What changes nothing, this many times."""
        return Similarity(torch.ones(count, dtype=dtype), torch.zeros(count, dtype=dtype))

    @property
    def stays(self) -> Tensor:
        """Which of them change nothing: (…) bool."""
        return (self.turn == 1) & (self.shift == 0)

    def __call__(self, points: Tensor) -> Tensor:
        """Where points (… h w) go."""
        return self.turn[..., None, None] * points + self.shift[..., None, None]

    def __getitem__(self, which: slice | Tensor) -> "Similarity":
        return Similarity(self.turn[which], self.shift[which])

    def after(self, first: "Similarity") -> "Similarity":
        """First the other, then this."""
        return Similarity(self.turn * first.turn, self.turn * first.shift + self.shift)

    def inverse(self) -> "Similarity":
        """What brings every point back."""
        return Similarity(1 / self.turn, -self.shift / self.turn)

    def scaled(self, factor: float) -> "Similarity":
        """The same for pictures of other size: ``factor`` times as many pixels high."""
        return Similarity(self.turn, self.shift * factor)

    def affine(self, height: float, width: float) -> Tensor:
        """The same over places from -1 to 1, as torch's ``affine_grid`` takes it: (… 2 3) real.

        Args:
            height: Of the picture, in heights of a pixel.
            width: Likewise.
        """
        a, b = self.turn.real, self.turn.imag
        x, y = self.shift.real * (2 / width), self.shift.imag * (2 / height)
        rows = (a, -b * (height / width), x), (b * (width / height), a, y)
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    def where(self, chosen: Tensor, other: "Similarity") -> "Similarity":
        """This where ``chosen`` (…) is true, else the other."""
        return Similarity(
            torch.where(chosen, self.turn, other.turn), torch.where(chosen, self.shift, other.shift)
        )


def points(height: int, width: int, pixel: float, dtype: torch.dtype) -> Tensor:
    """The middles of a picture's pixels: complex (h w).

    Args:
        height: In pixels.
        width: Likewise.
        pixel: Width of a pixel over its height.
        dtype: Real type of their parts.
    """
    y = torch.arange(height, dtype=dtype) - (height - 1) / 2
    x = (torch.arange(width, dtype=dtype) - (width - 1) / 2) * pixel
    return torch.complex(x.expand(height, width), y[:, None].expand(height, width))


def sample(pictures: Tensor, at: Tensor, pixel: float = 1.0) -> tuple[Tensor, Tensor]:
    """Pictures at points between their pixels, bilinear.

    Args:
        pictures: (t c h w) floating.
        at: (t h' w') complex.
        pixel: Width of a pixel over its height.

    Returns:
        (t c h' w'), and (t h' w') bool, whether the point is between the middles of pixels; a
        point that isn't gets the nearest one's value.
    """
    height, width = pictures.shape[-2:]
    x = at.real * (2 / (pixel * width))
    y = at.imag * (2 / height)
    # A hair is allowed for rounding: the picture's own pixels are seen.
    seen = (x.abs() <= 1 - (1 - 1e-3) / width) & (y.abs() <= 1 - (1 - 1e-3) / height)
    grid = torch.stack([x, y], -1).to(pictures.dtype)
    sampled = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return sampled, seen


def view(
    pictures: Tensor,
    looked: Similarity,
    size: tuple[int, int],
    *,
    pixel: float = 1.0,
    parallax: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Each picture as it is seen through a similarity of its own.

    Args:
        pictures: (t c h w) floating.
        looked: (t), takes points of what is seen to points of the pictures.
        size: Height and width of what is seen, in pixels.
        pixel: Width of a pixel over its height.
        parallax: The shift grows by this part from the middle to the bottom, and shrinks as much
            to the top.

    Returns:
        (t c h' w'), and (t h' w') bool, whether a place lies inside the picture.
    """
    height, width = size
    own = points(height, width, pixel, looked.turn.real.dtype)  # (h' w')
    at = looked(own)  # (t h' w')
    if parallax:
        at = at + looked.shift[:, None, None] * (parallax * own.imag * 2 / height)
    return sample(pictures, at, pixel)
