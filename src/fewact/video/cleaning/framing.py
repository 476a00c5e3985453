"""Part of the frames that shows something: between black bars, or before a plain background.

Before a plain background, as a depth camera or a silhouette shows a person, the picture's own frame
says nothing: black bars of the same black, and how far away the camera is, change only how large a
person is shown. So a video that shows little in a large frame is cut out around it, in one part for
all of its frames.
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
from fewact.video.resizing import resized as resized

Colour = NDArray[np.float32]
Mask = NDArray[np.bool_]

COLOUR_BLOCK = 4
"""Rows and columns of a block of pixels, whose mean is measured: it has less noise."""

LEAST_DIFFERENCE = 16.0
"""Smallest difference of red, green or blue of a block that shows something from the background, in
levels."""

LEAST_DEVIATIONS = 5.0
"""The same in standard deviations of all blocks, which are found from the median deviation."""

MOST_SHOWN = 0.3
"""Largest fraction of the blocks that differ before a plain background, noise included. The colours
of the background are the medians of all blocks."""

CERTAINLY_SHOWN = 0.5
"""Fraction of the blocks of a few frames that differ from which on no others are measured."""

LEAST_NEIGHBOURS = 3
"""Fewest of nine blocks that show something, of one that is no speck."""

HEIGHT_MARGIN = 0.2
"""Margin above and below, as a fraction of the median height of what is shown. Arms that are lifted
in some frames are inside it, and do not change the size."""

PART_ASPECT = 4 / 3
"""Width over height of a part as displayed, that of most depth cameras: people whose video is not
cut out are shown as wide."""

LARGE_PART = 0.9
"""Height and width of a part, as fractions of the picture's, from which on it stays as it is."""

LEAST_PART_HEIGHT = 1 / 3
"""Smallest height of a part, as a fraction of the picture's: smaller ones show too little."""

MOST_PART_SIDE = 4.0
"""Largest height or width of a part: one around a strip would be empty."""

PART_HEIGHT_STEP = 1.1
"""Factor between the heights of parts: windows of a recording that overlap get the same part, and
share its frames."""

PART_START_STEP = 1 / 28
"""Distance between the starts of parts, as a fraction of the picture."""


@dataclass(frozen=True)
class CroppedPart:
    """Part of a picture that is cut out; it may reach beyond the picture.

    Args:
        top: Its first row, as a fraction of the picture's height.
        left: Its first column, as a fraction of the picture's width.
        height: Its height, as a fraction of the picture's.
        width: Its width, as a fraction of the picture's.
        background: Red, green and blue of what is beyond the picture.
    """

    top: float
    left: float
    height: float
    width: float
    background: tuple[int, int, int]


def find_part(frames: AnyFrames, aspect: float) -> CroppedPart | None:
    """Return the part around what is shown; None if the picture should stay as it is.

    It stays if its background is not plain, if what it shows is large enough, or if it is a strip.

    Args:
        frames: Some frames (t h w 3) of a video.
        aspect: Width over height of the picture as displayed; ``frames`` may have another one.
    """
    frames = shared(frames)
    if _shown(_away(few_frames(frames))[1]) > CERTAINLY_SHOWN:
        return None
    background, away = _away(frames)
    if _shown(away) > MOST_SHOWN:
        return None
    noise = float(lower_median(away.ravel())) / MEDIAN_OF_NORMAL
    shown = _without_specks(away > max(LEAST_DIFFERENCE, LEAST_DEVIATIONS * noise))
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
    """Return a part of frames (t h w 3), in their size."""
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
    """Return the background's colour (3), and how far from it blocks of frames are (t h w)."""
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
    """Return blocks (t h w) that show something, as some of their neighbours do."""
    padded = np.pad(shown.astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    of_rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    neighbours = of_rows[..., :-2] + of_rows[..., 1:-1] + of_rows[..., 2:]
    dense: Mask = shown & (neighbours >= LEAST_NEIGHBOURS)
    return dense


def _extent(shown: Mask) -> tuple[float, float] | None:
    """Return the first and the last row or column that shows something, as fractions of all."""
    indices = np.flatnonzero(shown)
    return (indices[0] / len(shown), (indices[-1] + 1) / len(shown)) if len(indices) else None


def _start(middle: float, length: float, ends: NDArray[np.float64]) -> float:
    """Return the start of a part with a middle, moved so that it contains all ends (t 2)."""
    first = math.ceil((ends.max() - length) / PART_START_STEP)
    last = math.floor(ends.min() / PART_START_STEP)
    start = min(max(first, round((middle - length / 2) / PART_START_STEP)), last)
    return float(PART_START_STEP * start)


BAR_LEVEL = 24
"""Level that a bar does not exceed."""

CONTENT_LEVEL = 32
"""Level that the picture beside a bar exceeds."""

LEAST_BAR = 0.04
"""Smallest fraction of the rows that a bar has."""

MOST_BARS = 0.8
"""Largest fraction of the rows that both bars have."""

MOST_BAR_DIFFERENCE = 0.02
"""Largest difference of the bars, as a fraction of the rows."""

STRAIGHT_FRACTION = 0.5
"""Fraction of the columns that show something right beside a bar: the edge of a picture is
straight, that of a person before a black background is not."""

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
