"""Image registration and warp by a similarity transform (shift, zoom and rotation).

Positions are complex numbers, x to the right and y down from the image center, in pixel heights: a
similarity is then z → linear·z + shift, and two of them compose by a product and a sum.

Registration is inverse compositional Gauss–Newton (Baker and Matthews, "Lucas-Kanade 20 Years On",
IJCV 2004) on all pixels or on one keypoint of each small block. Geman–McClure weights suppress
objects that move by themselves; brightness and contrast are fitted together with the four
parameters of the similarity. ``fewact.video.camera._native`` has a compiled form of most of this,
used where the package was built with it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fewact.video.camera import _native
from fewact.video.pooling import parts
from fewact.video.samplers import Ints

Complex = NDArray[np.complexfloating[Any]]
Real = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


class Similarity(NamedTuple):
    """Similarity transforms: a position z maps to linear·z + shift.

    Args:
        linear: Linear parts (…), complex: zoom · exp(i · angle).
        shift: Shifts (…), complex, in pixel heights.
    """

    linear: Complex
    shift: Complex

    @staticmethod
    def identity(count: int, dtype: DTypeLike = np.complex64) -> "Similarity":
        """Return identities (count)."""
        return Similarity(np.ones(count, dtype), np.zeros(count, dtype))

    @property
    def is_identity(self) -> Mask:
        """Whether each is the identity: (…) bool."""
        identity: Mask = (self.linear == 1) & (self.shift == 0)
        return identity

    def __call__(self, positions: Complex) -> Complex:
        """Transform positions (… h w)."""
        return self.linear[..., None, None] * positions + self.shift[..., None, None]

    def of(self, which: slice | Ints | Mask) -> "Similarity":
        """Return some of the transforms."""
        return Similarity(self.linear[which], self.shift[which])

    def after(self, first: "Similarity") -> "Similarity":
        """Return the composition: the other is applied first, then this one."""
        linear, shift = (_product(self.linear, part) for part in first)
        return Similarity(linear, shift + self.shift)

    def inverse(self) -> "Similarity":
        """Return the inverse."""
        return Similarity(1 / self.linear, -self.shift / self.linear)

    def scaled(self, factor: float) -> "Similarity":
        """Return the transform for images with ``factor`` times as many rows."""
        return Similarity(self.linear, self.shift * factor)

    def where(self, mask: Mask, alternative: "Similarity") -> "Similarity":
        """Return this where ``mask`` (…) is true, else the alternative."""
        return Similarity(
            np.where(mask, self.linear, alternative.linear),
            np.where(mask, self.shift, alternative.shift),
        )


def _product(first: Complex, second: Complex) -> Complex:
    """Return a product that is rounded alike on every processor: NumPy's is fused on some."""
    real = first.real * second.real - first.imag * second.imag
    imaginary = first.real * second.imag + first.imag * second.real
    product: Complex = real + 1j * imaginary
    return product


def joined(motions: Sequence[Similarity]) -> Similarity:
    """Return transforms (n) one after the other."""
    linear, shift = (np.concatenate(part) for part in zip(*motions, strict=True))
    return Similarity(linear, shift)


def pixel_positions(height: int, width: int, pixel: float, dtype: DTypeLike) -> Complex:
    """Return the positions of pixel centers: complex (h w), with parts of type ``dtype``."""
    y = np.arange(height, dtype=dtype) - (height - 1) / 2
    x = (np.arange(width, dtype=dtype) - (width - 1) / 2) * pixel
    positions: Complex = x + 1j * y[:, None]
    return positions


def sample(images: Real, at: Complex, pixel: float = 1.0) -> tuple[Real, Mask]:
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
    inside = (np.abs(x) <= 1 - (1 - 1e-3) / width) & (np.abs(y) <= 1 - (1 - 1e-3) / height)
    x, y = (part.astype(images.dtype, copy=False) for part in (x, y))
    by_pixel = np.moveaxis(images, 1, -1)  # (t h w c)
    if _native.computes(images):
        flat = _native.sample(by_pixel, x.reshape(len(x), -1), y.reshape(len(y), -1))
        return np.moveaxis(flat.reshape(*x.shape, -1), -1, 1), inside
    left, right, dx = _neighbours(x, width)
    top, bottom, dy = _neighbours(y, height)
    image = np.arange(len(images))[:, None, None]
    upper, lower = (
        by_pixel[image, row, left] * (1 - dx) + by_pixel[image, row, right] * dx
        for row in (top, bottom)
    )
    return np.moveaxis(upper * (1 - dy) + lower * dy, -1, 1), inside


def _neighbours(at: Real, length: int) -> tuple[Ints, Ints, Real]:
    """Return the pixels before and after positions from -1 to 1, and weights (… 1) of the latter.

    Positions outside, and NaN, count as positions on the border.
    """
    pixel = np.fmin(np.fmax(((at + 1) * length - 1) / 2, 0), length - 1)
    before = pixel.astype(np.int64)
    return before, np.minimum(before + 1, length - 1), (pixel - before)[..., None].astype(at.dtype)


def warp(
    images: Real,
    transform: Similarity,
    size: tuple[int, int],
    *,
    pixel: float = 1.0,
    parallax: float = 0.0,
) -> tuple[Real, Mask]:
    """Warp each image by its similarity transform.

    Args:
        images: Images (t c h w), floating.
        transform: Similarities (t), from positions in the result to positions in the images.
        size: Height and width of the result, in pixels.
        pixel: Width of a pixel over its height.
        parallax: Fraction by which the shift grows from the middle to the bottom row, and shrinks
            to the top row.

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

FLAT_GRADIENT = 0.02
"""Smallest gradient of a keypoint, in standard deviations of the image per pixel."""

SMALLEST_SPREAD = 0.02
"""Smallest robust standard deviation of residuals."""

MAX_ZOOM = 1.6
"""Largest plausible zoom of a camera, in or out."""

MAX_ROLL = 0.35
"""Largest plausible roll of a camera, in radians."""

MAX_SHIFT = 0.45
"""Largest plausible shift of a camera, in image heights."""

LIMITS = (MAX_ZOOM, MAX_ROLL, MAX_SHIFT, FLAT_GRADIENT, SMALLEST_SPREAD)
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

    at: Complex
    value: Real
    jacobian: Real
    gradient: Real
    valid: Mask

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All fields."""
        return tuple(self)

    def of(self, which: Ints) -> "Keypoints":
        """Return the keypoints of some of the images."""
        return Keypoints(*(values[which] for values in self.arrays))

    def repeated(self, count: int) -> "Keypoints":
        """Return the keypoints of one image repeated for several; they share its memory."""
        return Keypoints(*(np.broadcast_to(a, (count, *a.shape[1:])) for a in self.arrays))


def all_pixels(images: Real, pixel: float) -> Keypoints:
    """Return all pixels of grey images (p h w) as keypoints, including flat background."""
    p, height, width = images.shape
    at = np.broadcast_to(pixel_positions(height, width, pixel, images.dtype), images.shape)
    values = (values.reshape(p, -1) for values in (images, *_gradient(images, pixel)))
    return _keypoints(at.reshape(p, -1), *values, flat=-1, height=height)


def detect_keypoints(images: Real, pixel: float) -> Keypoints:
    """Return the pixel with the largest gradient of each block of grey images (p h w)."""
    p, height, width = images.shape
    blocks = (min(MOST_BLOCKS, max(1, height // 2)), min(MOST_BLOCKS, max(1, width // 2)))
    if _native.computes(images):
        return Keypoints(*_native.detect(images, pixel, blocks, LIMITS))
    across, down = _gradient(images, pixel)
    gradient = np.sqrt(across**2 + down**2)
    gradient[:, [0, -1]] = -1
    gradient[:, :, [0, -1]] = -1
    where = _largest(gradient, blocks)  # (p m)
    at = pixel_positions(height, width, pixel, images.dtype).ravel()[where]
    flat = (values.reshape(p, -1) for values in (images, across, down))
    values = (np.take_along_axis(values, where, 1) for values in flat)
    return _keypoints(at, *values, flat=FLAT_GRADIENT, height=height)


def _largest(values: Real, blocks: tuple[int, int]) -> Ints:
    """Return the first position (p m) of the largest value of each block of values (p h w)."""
    height, width = values.shape[1:]
    (tops, bottoms), (lefts, rights) = parts(height, blocks[0]), parts(width, blocks[1])
    # Blocks as large as the largest one; its last rows and columns are repeated in smaller ones.
    rows = np.minimum(tops[:, None] + np.arange((bottoms - tops).max()), bottoms[:, None] - 1)
    columns = np.minimum(lefts[:, None] + np.arange((rights - lefts).max()), rights[:, None] - 1)
    pixels = rows[:, None, :, None] * width + columns[None, :, None, :]  # (r c y x)
    pixels = pixels.reshape(blocks[0] * blocks[1], -1)  # (m k)
    largest = values.reshape(len(values), -1)[:, pixels].argmax(-1)  # (p m)
    where: Ints = pixels[np.arange(len(pixels)), largest]
    return where


def _gradient(images: Real, pixel: float) -> tuple[Real, Real]:
    """Return the horizontal and vertical derivatives (p h w)."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), "edge")
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / (2 * pixel)
    return across, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _keypoints(
    at: Complex, value: Real, across: Real, down: Real, *, flat: float, height: int
) -> Keypoints:
    """Build keypoints from positions, values and derivatives (p m); flat ones are not valid."""
    reach = height / 2  # gives the six columns similar magnitudes
    zoom = (across * at.real + down * at.imag) / reach
    roll = (down * at.real - across * at.imag) / reach
    jacobian = np.stack([zoom, roll, across, down, value, np.ones_like(value)], -1)
    gradient = np.sqrt(across**2 + down**2)
    return Keypoints(at, value, jacobian, gradient, gradient > flat)


@np.errstate(all="ignore")  # images without contrast
def register(
    reference: Keypoints, images: Real, initial: Similarity, pixel: float, steps: int
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
    light = np.zeros_like(reference.jacobian[:, :2, 0])  # (p 2) contrast and brightness
    for step in range(steps):
        apart, valid = _differences(reference, images, motion, pixel)
        residual = apart - (reference.jacobian[..., 4:] @ light[..., None])[..., 0]
        # Wide at first, so that distant inliers are not rejected.
        weight = _weights(residual, valid, 4.0 if step < 2 else 2.5)
        solved = _least_squares(reference.jacobian, apart, weight)  # (p 6)
        light = solved[:, 4:]
        linear = 1 + (solved[:, 0] + 1j * solved[:, 1]) / reach
        motion = motion.after(Similarity(linear, solved[:, 2] + 1j * solved[:, 3]).inverse())
        motion = motion.where(plausible(motion, 2 * reach), initial)
    return motion


def plausible(motion: Similarity, height: float) -> Mask:
    """Return whether each transform is within the limits of camera motion: (p) bool."""
    zoom, roll = np.abs(motion.linear), np.abs(np.angle(motion.linear))
    inside = (zoom < MAX_ZOOM) & (zoom > 1 / MAX_ZOOM) & (roll < MAX_ROLL)
    within: Mask = inside & (np.abs(motion.shift) < MAX_SHIFT * height)
    return within


@np.errstate(all="ignore")  # images without contrast
def residuals(reference: Keypoints, images: Real, motion: Similarity, pixel: float) -> Real:
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
    off: Real = np.abs(residual) / np.maximum(reference.gradient, FLAT_GRADIENT)
    off[~valid] = np.nan
    return off


@np.errstate(all="ignore")  # images without contrast
def mean_difference(reference: Keypoints, images: Real, motion: Similarity, pixel: float) -> Real:
    """Return the mean absolute difference at the keypoints (p); infinite if none is inside."""
    apart, valid = _differences(reference, images, motion, pixel)
    count = valid.sum(1).astype(apart.dtype)
    mean: Real = np.where(valid, np.abs(apart), 0).sum(1) / np.maximum(count, 1)
    mean[count == 0] = np.inf
    return mean


def _differences(
    reference: Keypoints, images: Real, motion: Similarity, pixel: float
) -> tuple[Real, Mask]:
    """Return image value minus reference value, and which keypoints are valid: (p m) each."""
    at = motion(reference.at[:, None])  # (p 1 m)
    values, inside = sample(images[:, None], at, pixel)
    return values[:, 0, 0] - reference.value, reference.valid & inside[:, 0]


def _weights(residual: Real, valid: Mask, width: float) -> Real:
    """Return Geman–McClure weights (p m); the width is in robust standard deviations."""
    known = valid & ~np.isnan(residual)
    ordered = np.sort(np.where(known, np.abs(residual), np.inf), -1)
    count = known.sum(-1, keepdims=True)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, -1)  # (p 1)
    spread = np.maximum(np.where(count > 0, 1.4826 * middle, 1), SMALLEST_SPREAD)
    weights: Real = valid / (1 + (residual / (width * spread)) ** 2) ** 2
    return weights


def _least_squares(columns: Real, target: Real, weight: Real) -> Real:
    """Solve (p m k), (p m), (p m) → (p k); zero where all weights are zero."""
    weighted = columns * weight[..., None]
    transposed = np.swapaxes(weighted, -1, -2)
    normal = transposed @ columns  # (p k k)
    ridge = 1e-6 * np.diagonal(normal, axis1=-2, axis2=-1).mean(-1) + 1e-12  # (p)
    normal = normal + ridge[:, None, None] * np.eye(columns.shape[-1], dtype=columns.dtype)
    solved: Real = np.linalg.solve(normal, transposed @ target[..., None])[..., 0]
    return solved
