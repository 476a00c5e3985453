"""Means and maxima of blocks of images (… h w), as PyTorch's pooling returns them."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fewact.video.samplers import Ints

Values = NDArray[np.floating[Any]]


def parts(length: int, count: int) -> tuple[Ints, Ints]:
    """Return the starts and ends of the parts of a side; of a size that is not whole, they overlap.

    >>> starts, ends = parts(5, 2)
    >>> starts.tolist(), ends.tolist()
    ([0, 2], [3, 5])
    """
    number = np.arange(count)
    return number * length // count, -(-(number + 1) * length // count)


def mean_parts(image: Values, size: tuple[int, int]) -> Values:
    """Return an image (h w) of a size, in which each pixel is the mean of those that it covers."""
    of_rows = _sums_of_parts(image, size[0])
    sums = _sums_of_parts(np.ascontiguousarray(of_rows.T), size[1]).T
    (tops, bottoms), (lefts, rights) = (
        parts(length, count) for length, count in zip(image.shape, size, strict=True)
    )
    area = (bottoms - tops)[:, None] * (rights - lefts)
    return np.ascontiguousarray(sums / area.astype(sums.dtype))


def _sums_of_parts(rows: Values, count: int) -> Values:
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
    kind = np.uint16 if 255 * side**2 < 1 << 16 else np.uint32
    sums = _over_blocks(frames, side, np.add, -2, kind).astype(np.float32)
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
    kind: DTypeLike | None = None,
) -> NDArray[Any]:
    """Reduce slices: many times as fast as to reduce an axis of a few values.

    Args:
        images: Images of which an axis is the columns, and the one before it the rows.
        side: Rows and columns of a block.
        reduce: What is done to the pixels of a block.
        columns: Number of the axis, from the end.
        kind: Type of the result; None for that of the images.
    """
    for axis in (columns - 1, columns):
        along = np.moveaxis(images, axis, 0)
        reduced = along[::side].astype(images.dtype if kind is None else kind)
        for i in range(1, min(side, len(along))):
            part = along[i::side]
            reduce(reduced[: len(part)], part, out=reduced[: len(part)])
        images = np.moveaxis(reduced, 0, axis)
    return images
