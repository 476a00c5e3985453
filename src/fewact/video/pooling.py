"""Sums of images, and means and maxima of their blocks, equal to PyTorch's to the last bit.

Thresholds were chosen with PyTorch's sums, and the last bit decides for some pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fewact.video.camera import _native
from fewact.video.samplers import Ints

Values = NDArray[np.floating[Any]]


SUM_LANES = 32
"""Number of values in a row whose sums grow side by side."""

SUM_WIDTH = 8
"""Number of these sums that are left in the end."""

SUM_LEVELS = 4
"""Number of levels of blocks in blocks."""

LEAST_SUM_POWER = 4
"""Smallest binary logarithm of the number of rows of a block."""


def totals(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums (t) of rows (t n), always added in the same order.

    Blocks of rows of ``SUM_LANES`` values are summed up, then blocks of blocks.
    """
    if _native.computes(values):
        return _native.total(values)
    length = values.shape[1]
    count = length // SUM_LANES
    power = max(LEAST_SUM_POWER, max(count - 1, 0).bit_length() // SUM_LEVELS)
    step = 1 << power
    rows = values[:, : count * SUM_LANES].reshape(len(values), count, SUM_LANES)
    sums = np.zeros((SUM_LEVELS, len(values), SUM_LANES), np.float32)
    for end in range(step, count + 1, step):
        sums[0] = _in_order(rows[:, end - step : end])
        for level in range(1, SUM_LEVELS):
            sums[level] += sums[level - 1]
            sums[level - 1] = 0
            if end & ((step - 1) << (level * power)):
                break
    sums[0] += _in_order(rows[:, count - count % step :])
    for level in range(1, SUM_LEVELS):
        sums[0] += sums[level]
    lanes = sums[0]
    whole = length - length % SUM_WIDTH
    for start in range(count * SUM_LANES, whole, SUM_WIDTH):
        lanes[:, :SUM_WIDTH] += values[:, start : start + SUM_WIDTH]
    for lane in range(SUM_WIDTH, SUM_LANES, SUM_WIDTH):
        lanes[:, :SUM_WIDTH] += lanes[:, lane : lane + SUM_WIDTH]
    rest = np.concatenate([values[:, whole:], lanes[:, :SUM_WIDTH]], 1)
    return _in_order(rest[..., None])[:, 0]


def _in_order(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums (t k) of values (t n k), added one after the other."""
    sums = np.zeros((len(values), values.shape[2]), np.float32)
    for i in range(values.shape[1]):
        sums += values[:, i]
    return sums


def parts(length: int, count: int) -> tuple[Ints, Ints]:
    """Return the starts and ends of the parts of a side; parts of fractional length overlap.

    >>> starts, ends = parts(5, 2)
    >>> starts.tolist(), ends.tolist()
    ([0, 2], [3, 5])
    """
    number = np.arange(count)
    return number * length // count, -(-(number + 1) * length // count)


def mean_parts(image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image (h w) resized to a size by area averaging: pixels are means of parts."""
    of_rows = _sums_of_parts(image, size[0])
    sums = _sums_of_parts(np.ascontiguousarray(of_rows.T), size[1]).T
    (tops, bottoms), (lefts, rights) = (
        parts(length, count) for length, count in zip(image.shape, size, strict=True)
    )
    area = (bottoms - tops)[:, None] * (rights - lefts)
    return np.ascontiguousarray(sums / area.astype(sums.dtype))


def _sums_of_parts(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    starts, ends = parts(len(rows), count)
    sums = rows[starts]
    for k in range(1, int((ends - starts).max())):
        inside = starts + k < ends
        if inside.all():
            sums += rows[starts + k]
        else:
            sums[inside] += rows[starts[inside] + k]
    return sums


def mean_blocks(images: Values, side: int) -> Values:
    """Return the means (… r c) of square blocks of images (… h w); the last may be smaller."""
    sums = _over_blocks(images, side, np.add, -1)
    means: Values = sums / _areas(images.shape[-2:], side).astype(sums.dtype)
    return means


def largest_of_blocks(images: Values, side: int) -> Values:
    """Return the maxima (… r c) of square blocks of images (… h w); the last may be smaller."""
    return _over_blocks(images, side, np.maximum, -1)


def mean_colours(frames: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the means (… r c 3) of square blocks of frames (… h w 3); the last may be smaller."""
    dtype = np.uint16 if 255 * side**2 < 1 << 16 else np.uint32
    sums = _over_blocks(frames, side, np.add, -2, dtype).astype(np.float32)
    return sums / _areas(frames.shape[-3:-1], side).astype(np.float32)[..., None]


def _areas(size: tuple[int, ...], side: int) -> Ints:
    rows, columns = (np.minimum(side, length - np.arange(0, length, side)) for length in size)
    areas: Ints = rows[:, None] * columns
    return areas


def _over_blocks(
    images: NDArray[Any],
    side: int,
    reduce: np.ufunc,
    columns: int,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
    """Reduce the pixels of each block, slice by slice: an axis of a few values is far slower.

    Args:
        images: Images; the axis before ``columns`` is the rows.
        side: Rows and columns of a block.
        reduce: Function that reduces the pixels of a block.
        columns: Number of the axis of columns, from the end.
        dtype: Type of the result; None for the type of the images.
    """
    for axis in (columns - 1, columns):
        along = np.moveaxis(images, axis, 0)
        reduced = along[::side].astype(images.dtype if dtype is None else dtype)
        for i in range(1, min(side, len(along))):
            part = along[i::side]
            reduce(reduced[: len(part)], part, out=reduced[: len(part)])
        images = np.moveaxis(reduced, 0, axis)
    return images
