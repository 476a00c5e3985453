"""Image registration and warp by a similarity transform (shift, zoom and rotation).

Positions are complex numbers, x to the right and y down from the image center, in pixel heights: a
similarity is then z → linear·z + shift, and two of them compose by a product and a sum.

Registration is inverse compositional Gauss–Newton (Baker and Matthews, "Lucas-Kanade 20 Years On",
IJCV 2004) on all pixels or on one keypoint of each small block. Geman–McClure weights suppress
objects that move by themselves; brightness and contrast are fitted together with the four
parameters of the similarity. ``fewact.video.camera._native`` has a compiled form of most of this,
used where the package was built with it.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fewact.video.camera import _native


class Similarity(NamedTuple):
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

    def of(self, which: slice | Tensor) -> "Similarity":
        """Return some of the transforms."""
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
    """Return the positions of pixel centers: complex (h w); ``dtype`` is that of the parts."""
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


MOST_BLOCKS = 28
"""Largest number of block rows and columns; blocks have at least 2 × 2 pixels."""

FLAT = 0.02
"""Smallest gradient of a keypoint, in standard deviations of the image per pixel."""

SMALLEST_SPREAD = 0.02
MAX_ZOOM, MAX_ROLL, MAX_SHIFT = 1.6, 0.35, 0.45
"""Largest plausible camera motion: zoom in or out, roll in radians, shift in image heights."""


LIMITS = (MAX_ZOOM, MAX_ROLL, MAX_SHIFT, FLAT, SMALLEST_SPREAD)
"""Constants of the registration, for its compiled form."""


class Keypoints(NamedTuple):
    """Keypoints of images, the same number m in each of the p images.

    Args:
        at: Positions (p m), complex.
        value: Image values (p m).
        jacobian: Derivatives of the value (p m 6) by zoom, rotation, the two shifts, contrast and
            brightness.
        gradient: Lengths of the gradient (p m).
        valid: Whether each is used (p m), bool.
    """

    at: Tensor
    value: Tensor
    jacobian: Tensor
    gradient: Tensor
    valid: Tensor

    def of(self, which: Tensor) -> "Keypoints":
        """Return the keypoints of some of the images."""
        return Keypoints(*(values[which] for values in self))

    def repeated(self, count: int) -> "Keypoints":
        """Return the keypoints of one image as those of several; they share its memory."""
        return Keypoints(*(values.expand(count, *values.shape[1:]) for values in self))


def all_pixels(images: Tensor, pixel: float) -> Keypoints:
    """Return all pixels of grey images (p h w) as keypoints, including flat background."""
    height, width = images.shape[1:]
    at = pixel_positions(height, width, pixel, images.dtype).expand(images.shape)
    values = (values.flatten(1) for values in (at, images, *_gradient(images, pixel)))
    return _keypoints(*values, flat=-1, height=height)


def detect_keypoints(images: Tensor, pixel: float) -> Keypoints:
    """Return the pixel with the largest gradient of each block of grey images (p h w)."""
    height, width = images.shape[1:]
    blocks = (min(MOST_BLOCKS, max(1, height // 2)), min(MOST_BLOCKS, max(1, width // 2)))
    if _native.computes(images):
        return Keypoints(*_native.detect(images, pixel, blocks, LIMITS))
    across, down = _gradient(images, pixel)
    gradient = (across**2 + down**2).sqrt()
    gradient[:, [0, -1]] = -1
    gradient[:, :, [0, -1]] = -1
    where = functional.adaptive_max_pool2d(gradient[:, None], blocks, return_indices=True)[1]
    where = where.flatten(1)  # (p m)
    at = pixel_positions(height, width, pixel, images.dtype).flatten()[where]
    values = (values.flatten(1).gather(1, where) for values in (images, across, down))
    return _keypoints(at, *values, flat=FLAT, height=height)


def _gradient(images: Tensor, pixel: float) -> tuple[Tensor, Tensor]:
    """Return the horizontal and vertical derivatives (p h w)."""
    padded = functional.pad(images[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / (2 * pixel)
    return across, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _keypoints(
    at: Tensor, value: Tensor, across: Tensor, down: Tensor, *, flat: float, height: int
) -> Keypoints:
    """Build keypoints from positions, values and derivatives (p m); flat ones are not valid."""
    reach = height / 2  # gives the six columns similar magnitudes
    zoom = (across * at.real + down * at.imag) / reach
    roll = (down * at.real - across * at.imag) / reach
    jacobian = torch.stack([zoom, roll, across, down, value, torch.ones_like(value)], -1)
    gradient = (across**2 + down**2).sqrt()
    return Keypoints(at, value, jacobian, gradient, gradient > flat)


def register(
    reference: Keypoints, images: Tensor, initial: Similarity, pixel: float, steps: int
) -> Similarity:
    """Estimate the similarities (p) from positions in reference images to positions in images.

    Args:
        reference: Keypoints of p reference images.
        images: Images (p h w) of the same size.
        initial: Initial estimates (p).
        pixel: Width of a pixel over its height.
        steps: Number of Gauss–Newton steps.
    """
    if _native.computes(reference.value, images, initial.linear):
        return Similarity(*_native.register(reference, images, initial, pixel, steps, LIMITS))
    reach = images.shape[-2] / 2
    motion = initial
    light = torch.zeros_like(reference.jacobian[:, :2, 0])  # (p 2) contrast and brightness
    for step in range(steps):
        apart, valid = _differences(reference, images, motion, pixel)
        residual = apart - (reference.jacobian[..., 4:] @ light[..., None])[..., 0]
        # Wide at first, so that distant inliers are not rejected.
        weight = _weights(residual, valid, 4.0 if step < 2 else 2.5)
        solved = _least_squares(reference.jacobian, apart, weight)  # (p 6)
        light = solved[:, 4:]
        linear = 1 + torch.complex(solved[:, 0], solved[:, 1]) / reach
        motion = motion.after(
            Similarity(linear, torch.complex(solved[:, 2], solved[:, 3])).inverse()
        )
        motion = motion.where(plausible(motion, 2 * reach), initial)
    return motion


def plausible(motion: Similarity, height: float) -> Tensor:
    """Return whether each transform is within the limits of camera motion: (p) bool."""
    zoom, roll = motion.linear.abs(), motion.linear.angle().abs()
    inside = (zoom < MAX_ZOOM) & (zoom > 1 / MAX_ZOOM) & (roll < MAX_ROLL)
    return inside & (motion.shift.abs() < MAX_SHIFT * height) & zoom.isfinite()


def residuals(reference: Keypoints, images: Tensor, motion: Similarity, pixel: float) -> Tensor:
    """Return the residual of each keypoint (p m), in pixel heights along its gradient.

    Contrast and brightness are fitted first. NaN for keypoints that are invalid or outside.
    """
    if _native.computes(reference.value, images, motion.linear):
        return _native.residuals(reference, images, motion, pixel, LIMITS)
    apart, valid = _differences(reference, images, motion, pixel)
    light = reference.jacobian[..., 4:]  # (p m 2)
    residual = apart
    for _ in range(3):
        solved = _least_squares(light, apart, _weights(residual, valid, 2.5))
        residual = apart - (light @ solved[..., None])[..., 0]
    off = residual.abs() / reference.gradient.clamp_min(FLAT)
    return off.where(valid, torch.nan)


def mean_difference(
    reference: Keypoints, images: Tensor, motion: Similarity, pixel: float
) -> Tensor:
    """Return the mean absolute difference at the keypoints (p); infinite if none is inside."""
    apart, valid = _differences(reference, images, motion, pixel)
    return apart.abs().where(valid, torch.nan).nanmean(1).nan_to_num(torch.inf)


def _differences(
    reference: Keypoints, images: Tensor, motion: Similarity, pixel: float
) -> tuple[Tensor, Tensor]:
    """Return image value minus reference value, and which keypoints are valid: (p m) each."""
    at = motion(reference.at[:, None])  # (p 1 m)
    values, inside = sample(images[:, None], at, pixel)
    return values[:, 0, 0] - reference.value, reference.valid & inside[:, 0]


def _weights(residual: Tensor, valid: Tensor, width: float) -> Tensor:
    """Return Geman–McClure weights (p m); the width is in robust standard deviations."""
    middle = residual.abs().where(valid, torch.nan).nanmedian(-1, keepdim=True).values
    spread = (1.4826 * middle).nan_to_num(1.0).clamp_min(SMALLEST_SPREAD)  # (p 1)
    return valid / (1 + (residual / (width * spread)) ** 2) ** 2


def _least_squares(columns: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Solve (p m k), (p m), (p m) → (p k); zero where all weights are zero."""
    weighted = columns * weight[..., None]
    normal = weighted.mT @ columns  # (p k k)
    ridge = 1e-6 * normal.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-12  # (p)
    normal = normal + ridge[:, None, None] * torch.eye(columns.shape[-1], dtype=columns.dtype)
    solved: Tensor = torch.linalg.solve(normal, weighted.mT @ target[..., None])[..., 0]
    return solved
