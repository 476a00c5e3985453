"""Content of the frames: the area between black bars, or the subject before a plain background.

Depth cameras and silhouettes show a person before a plain background. There the border of the image
carries no information: black bars and the distance of the camera change only the size of the
person. So a video with little content in a large frame is cropped around the content. All frames
get the same crop.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.video.cleaning.light import (
    MEDIAN_OF_NORMAL,
    AnyFrames,
    Frames,
    Measured,
    brightest_of,
    every,
    few_frames,
    lower_median,
)
from fewact.video.frame import shared
from fewact.video.pooling import mean_colours
from fewact.video.resizing import resized

Colour = NDArray[np.float32]
Mask = NDArray[np.bool_]

COLOUR_BLOCK = 4
"""Rows and columns of a block of pixels, whose mean is measured: it has less noise."""

LEAST_DIFFERENCE = 16.0
"""A block has content if its red, green or blue differs from the background by more than this, in
levels."""

LEAST_CONTENT_DEVIATIONS = 5.0
"""A block has content only if it also differs by this many standard deviations of all blocks, which
are computed from the median deviation."""

MOST_SHOWN = 0.3
"""Largest fraction of the blocks that differ from a plain background, noise included. The colours
of the background are the medians of all blocks."""

CERTAINLY_SHOWN = 0.5
"""If a larger fraction of the blocks of a few frames differs, the other frames are not measured."""

LEAST_NEIGHBOURS = 3
"""A block with content is a speck if fewer of the nine blocks around it, itself included, have
content."""

HEIGHT_MARGIN = 0.2
"""Margin above and below, as a fraction of the median height of the content. Arms that are lifted
in some frames stay inside the margin, so that they do not change the size."""

PART_ASPECT = 4 / 3
"""Width over height of a crop as displayed. Most depth cameras have this ratio, so people are as
wide as in videos that are not cropped."""

LARGE_PART = 0.9
"""A video is not cropped if height and width of the crop, relative to the image, are at least this.
"""

LEAST_PART_HEIGHT = 1 / 3
"""Smallest height of a crop, relative to the image: smaller crops show too little."""

MOST_PART_SIDE = 4.0
"""Largest height or width of a crop, relative to the image: a crop around a strip would be empty.
"""

PART_HEIGHT_STEP = 1.1
"""Factor between the heights of parts: windows of a recording that overlap get the same part, and
share its frames."""

PART_START_STEP = 1 / 28
"""Distance between the starts of parts, as a fraction of the picture."""


@dataclass(frozen=True)
class CroppedPart:
    """Crop of an image; it may reach beyond the image.

    Args:
        top: First row, as a fraction of the image's height.
        left: First column, as a fraction of the image's width.
        height: Height, as a fraction of the image's.
        width: Width, as a fraction of the image's.
        background: Red, green and blue outside the image.
    """

    top: float
    left: float
    height: float
    width: float
    background: tuple[int, int, int]


def find_part(frames: AnyFrames, aspect: float) -> CroppedPart | None:
    """Return the crop around the content; None if the video should stay as it is.

    It stays if its background is not plain, or if its content is large enough or a strip.

    Args:
        frames: Some frames (t h w 3) of a video.
        aspect: Width over height of the video as displayed; the ratio of ``frames`` may differ.
    """
    frames = shared(frames)
    if _shown(_away(few_frames(frames))[1]) > CERTAINLY_SHOWN:
        return None
    background, away = _away(frames)
    if _shown(away) > MOST_SHOWN:
        return None
    noise = float(lower_median(away.ravel())) / MEDIAN_OF_NORMAL
    shown = _without_specks(away > max(LEAST_DIFFERENCE, LEAST_CONTENT_DEVIATIONS * noise))
    rows = [extent for mask in shown if (extent := _extent(mask.any(1))) is not None]
    columns = [extent for mask in shown if (extent := _extent(mask.any(0))) is not None]
    if not rows:
        return None
    row_ends, column_ends = np.array(rows), np.array(columns)  # (t 2)
    low, high = np.median(row_ends, axis=0)
    wider = aspect / PART_ASPECT
    least_height = max(
        (1 + 2 * HEIGHT_MARGIN) * (high - low),
        np.ptp(row_ends) + PART_START_STEP,
        wider * (np.ptp(column_ends) + PART_START_STEP),
    )
    steps = max(0, math.ceil(math.log(least_height / LEAST_PART_HEIGHT, PART_HEIGHT_STEP)))
    height = LEAST_PART_HEIGHT * PART_HEIGHT_STEP**steps
    width = height / wider
    if min(height, width) >= LARGE_PART or max(height, width) > MOST_PART_SIDE:
        return None
    top = _start((low + high) / 2, height, row_ends)
    first_column = _start(np.median(column_ends.mean(1)), width, column_ends)
    red, green, blue = (round(level) for level in background.tolist())
    return CroppedPart(top, first_column, height, width, (red, green, blue))


def cut_out(frames: Frames, part: CroppedPart) -> Frames:
    """Return a crop of frames (t h w 3), resized to the size of the frames."""
    height, width = frames.shape[1:3]
    top, bottom = round(part.top * height), round((part.top + part.height) * height)
    first_column, right = round(part.left * width), round((part.left + part.width) * width)
    rows, columns = max(1, bottom - top), max(1, right - first_column)
    cut = np.empty((len(frames), rows, columns, 3), np.uint8)
    cut[:] = part.background
    inside = frames[:, max(top, 0) : max(bottom, 0), max(first_column, 0) : max(right, 0)]
    y, x = max(-top, 0), max(-first_column, 0)
    cut[:, y : y + inside.shape[1], x : x + inside.shape[2]] = inside
    return resized(cut, (height, width))


def _away(frames: AnyFrames) -> tuple[Colour, NDArray[np.float32]]:
    """Return the background's colour (3), and the distance of each block from it (t h w)."""
    blocks = every(frames, _blocks)  # (t h w 3)
    background: Colour = lower_median(blocks.reshape(-1, 3))
    return background, np.abs(blocks - background).max(-1)


def _shown(away: NDArray[np.float32]) -> float:
    return float((away > LEAST_DIFFERENCE).mean())


def _blocks(frame: Measured) -> NDArray[np.float32]:
    """Return the mean colours (h w 3) of blocks of a frame."""
    image = frame.image
    size = min(COLOUR_BLOCK, *image.shape[:2])
    rows, columns = (length - length % size for length in image.shape[:2])
    return mean_colours(image[:rows, :columns], size)


def _without_specks(shown: Mask) -> Mask:
    """Return the mask (t h w) of blocks with content, without specks."""
    padded = np.pad(shown.astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    of_rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    neighbours = of_rows[..., :-2] + of_rows[..., 1:-1] + of_rows[..., 2:]
    dense: Mask = shown & (neighbours >= LEAST_NEIGHBOURS)
    return dense


def _extent(shown: Mask) -> tuple[float, float] | None:
    """Return start and end of the rows or columns with content, as fractions of all."""
    indices = np.flatnonzero(shown)
    return (indices[0] / len(shown), (indices[-1] + 1) / len(shown)) if len(indices) else None


def _start(middle: float, length: float, ends: NDArray[np.float64]) -> float:
    """Return the start of a part with a middle, moved so that it contains all ends (t 2)."""
    first = math.ceil((ends.max() - length) / PART_START_STEP)
    last = math.floor(ends.min() / PART_START_STEP)
    start = min(max(first, round((middle - length / 2) / PART_START_STEP)), last)
    return float(PART_START_STEP * start)


BAR_LEVEL = 24
"""Largest level in a bar."""

CONTENT_LEVEL = 32
"""The image beside a bar exceeds this level."""

LEAST_BAR = 0.04
"""Smallest height of a bar, as a fraction of the rows."""

MOST_BARS = 0.8
"""Largest height of both bars together, as a fraction of the rows."""

MOST_BAR_DIFFERENCE = 0.02
"""Largest difference of the bars, as a fraction of the rows."""

STRAIGHT_FRACTION = 0.5
"""Smallest fraction of the columns with content right beside a bar. The edge of a bar is straight;
the outline of a person before a black background is not."""

Bars = tuple[tuple[float, float], tuple[float, float]]
"""Black bars at the top and bottom, and at the left and right: fractions of height and width."""

NO_BARS: Bars = ((0.0, 0.0), (0.0, 0.0))


def find_bars(frames: AnyFrames) -> Bars:
    """Return the black bars of frames (t h w 3)."""
    brightest = np.maximum.reduce([frame.of(brightest_of) for frame in shared(frames)])  # (h w)
    top, bottom = _ends(brightest)
    height, width = brightest.shape
    first_column, right = _ends(brightest[top : height - bottom].T)
    return (top / height, bottom / height), (first_column / width, right / width)


def _ends(brightest: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the number of first and of last rows that are bars; 0 and 0 if they are none."""
    height = len(brightest)
    shows = np.flatnonzero((brightest > BAR_LEVEL).any(1))
    if not len(shows):
        return 0, 0
    first, last = int(shows[0]), height - 1 - int(shows[-1])
    bars = (
        min(first, last) >= LEAST_BAR * height
        and first + last <= MOST_BARS * height
        and abs(first - last) <= MOST_BAR_DIFFERENCE * height
    )
    # The outermost row may be a mixture of bar and picture.
    edges = brightest[[min(first + 1, height - 1), max(height - 2 - last, 0)]]
    straight = bars and ((edges > CONTENT_LEVEL).mean(1) >= STRAIGHT_FRACTION).all()
    return (first, last) if straight else (0, 0)


def inside_bars(frames: Frames, bars: Bars) -> Frames:
    """Return frames (t h w 3) without their bars."""
    height, width = frames.shape[1:3]
    (top, bottom), (first_column, right) = bars
    rows = slice(round(top * height), height - round(bottom * height))
    return frames[:, rows, round(first_column * width) : width - round(right * width)]
