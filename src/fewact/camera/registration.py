"""Registering pictures to others by a shift, zoom and rotation.

Inverse compositional Gauss–Newton (Baker and Matthews, "Lucas-Kanade 20 Years On", IJCV 2004) on
all pixels or the most telling one of each small block, with Geman–McClure weights, so that what
moves by itself does not pull, and with brightness and contrast solved for beside the four numbers
of a similarity.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fewact.camera.similarity import Similarity, points, sample

MOST_BLOCKS = 28
"""Rows and columns of blocks, at most; blocks are at least 2 × 2 pixels."""

FLAT = 0.02
"""A slope below this, in standard deviations of the picture a pixel, tells nothing."""

SMALLEST_SPREAD = 0.02
WIDEST_ZOOM, WIDEST_ROLL, WIDEST_SHIFT = 1.6, 0.35, 0.45
"""Beyond this no camera is believed: zoom either way, radians, heights of the picture."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Places of pictures, as many of each.

    Args:
        at: (p m) complex, where they are.
        value: (p m) of the picture there.
        slopes: (p m 6), how the value changes with zoom, rotation, the two shifts, contrast and
            brightness.
        steep: (p m) length of the gradient.
        telling: (p m) bool, which of them count.
    """

    at: Tensor
    value: Tensor
    slopes: Tensor
    steep: Tensor
    telling: Tensor

    def of(self, which: Tensor) -> "Marks":
        """Those of some of the pictures."""
        chosen = (self.at, self.value, self.slopes, self.steep, self.telling)
        return Marks(*(values[which] for values in chosen))


def pixels(pictures: Tensor, pixel: float) -> Marks:
    """All pixels; those of an even background count too, since they say where nothing is.

    Args:
        pictures: (p h w) floating.
        pixel: Width of a pixel over its height.
    """
    height, width = pictures.shape[1:]
    at = points(height, width, pixel, pictures.dtype).expand(pictures.shape)
    values = (values.flatten(1) for values in (at, pictures, *_gradient(pictures, pixel)))
    return _marks(*values, flat=-1, height=height)


def marks(pictures: Tensor, pixel: float) -> Marks:
    """The steepest pixel of each block of 2 × 2, without the outermost; those on slopes count.

    Args:
        pictures: (p h w) floating.
        pixel: Width of a pixel over its height.
    """
    height, width = pictures.shape[1:]
    across, down = _gradient(pictures, pixel)
    steep = (across**2 + down**2).sqrt()
    steep[:, [0, -1]] = -1
    steep[:, :, [0, -1]] = -1
    blocks = (min(MOST_BLOCKS, max(1, height // 2)), min(MOST_BLOCKS, max(1, width // 2)))
    where = functional.adaptive_max_pool2d(steep[:, None], blocks, return_indices=True)[1]
    where = where.flatten(1)  # (p m)
    at = points(height, width, pixel, pictures.dtype).flatten()[where]
    values = (values.flatten(1).gather(1, where) for values in (pictures, across, down))
    return _marks(at, *values, flat=FLAT, height=height)


def _gradient(pictures: Tensor, pixel: float) -> tuple[Tensor, Tensor]:
    """How pictures change across and down: (p h w) each."""
    padded = functional.pad(pictures[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / (2 * pixel)
    return across, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _marks(
    at: Tensor, value: Tensor, across: Tensor, down: Tensor, *, flat: float, height: int
) -> Marks:
    """Marks at places, from value and gradient there (p m) each; those steeper than flat count."""
    reach = height / 2  # keeps the six columns of one size
    zoom = (across * at.real + down * at.imag) / reach
    roll = (down * at.real - across * at.imag) / reach
    slopes = torch.stack([zoom, roll, across, down, value, torch.ones_like(value)], -1)
    steep = (across**2 + down**2).sqrt()
    return Marks(at, value, slopes, steep, steep > flat)


def register(
    still: Marks, moving: Tensor, start: Similarity, pixel: float, steps: int
) -> Similarity:
    """What takes points of the still pictures to those of the moving ones.

    Args:
        still: Of p pictures.
        moving: (p h w), of the same size.
        start: (p), a first guess.
        pixel: Width of a pixel over its height.
        steps: Of Gauss–Newton.
    """
    reach = moving.shape[-2] / 2
    found = start
    light = torch.zeros_like(still.slopes[:, :2, 0])  # (p 2) contrast and brightness
    for step in range(steps):
        apart, counted = _differences(still, moving, found, pixel)
        rest = apart - (still.slopes[..., 4:] @ light[..., None])[..., 0]
        # Wide at first, so that what is far off is not taken for an outlier.
        weight = _weights(rest, counted, 4.0 if step < 2 else 2.5)
        solved = _least_squares(still.slopes, apart, weight)  # (p 6)
        light = solved[:, 4:]
        turn = 1 + torch.complex(solved[:, 0], solved[:, 1]) / reach
        found = found.after(Similarity(turn, torch.complex(solved[:, 2], solved[:, 3])).inverse())
        found = found.where(believable(found, 2 * reach), start)
    return found


def believable(found: Similarity, height: float) -> Tensor:
    """Whether a camera could have done this: (p) bool."""
    zoom, roll = found.turn.abs(), found.turn.angle().abs()
    inside = (zoom < WIDEST_ZOOM) & (zoom > 1 / WIDEST_ZOOM) & (roll < WIDEST_ROLL)
    return inside & (found.shift.abs() < WIDEST_SHIFT * height) & zoom.isfinite()


def unexplained(still: Marks, moving: Tensor, found: Similarity, pixel: float) -> Tensor:
    """How far each mark is from where it should be: (p m), heights of a pixel along its slope.

    Contrast and brightness are fitted first. NaN where a mark tells nothing or is not seen.
    """
    apart, counted = _differences(still, moving, found, pixel)
    light = still.slopes[..., 4:]  # (p m 2)
    rest = apart
    for _ in range(3):
        solved = _least_squares(light, apart, _weights(rest, counted, 2.5))
        rest = apart - (light @ solved[..., None])[..., 0]
    off = rest.abs() / still.steep.clamp_min(FLAT)
    return off.where(counted, torch.nan)


def difference(still: Marks, moving: Tensor, found: Similarity, pixel: float) -> Tensor:
    """Mean difference of the values where the marks are seen: (p); infinite where none is."""
    apart, counted = _differences(still, moving, found, pixel)
    return apart.abs().where(counted, torch.nan).nanmean(1).nan_to_num(torch.inf)


def _differences(
    still: Marks, moving: Tensor, found: Similarity, pixel: float
) -> tuple[Tensor, Tensor]:
    """What is seen at the marks less what should be (p m), and which marks count (p m)."""
    at = found(still.at[:, None])  # (p 1 m)
    values, seen = sample(moving[:, None], at, pixel)
    return values[:, 0, 0] - still.value, still.telling & seen[:, 0]


def _weights(rest: Tensor, counted: Tensor, width: float) -> Tensor:
    """Geman–McClure weights (p m) of what is left, this many robust deviations wide."""
    middle = rest.abs().where(counted, torch.nan).nanmedian(-1, keepdim=True).values
    spread = (1.4826 * middle).nan_to_num(1.0).clamp_min(SMALLEST_SPREAD)  # (p 1)
    return counted / (1 + (rest / (width * spread)) ** 2) ** 2


def _least_squares(columns: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """(p m k), (p m), (p m) → (p k); zero where nothing has weight."""
    weighted = columns * weight[..., None]
    normal = weighted.mT @ columns  # (p k k)
    ridge = 1e-6 * normal.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-12  # (p)
    normal = normal + ridge[:, None, None] * torch.eye(columns.shape[-1], dtype=columns.dtype)
    solved: Tensor = torch.linalg.solve(normal, weighted.mT @ wanted[..., None])[..., 0]
    return solved
