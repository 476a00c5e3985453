"""Segment of a video: the frames shown between two times."""

import math
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from fewact.core.errors import VideoError
from fewact.video.index import FrameIndex
from fewact.video.timeline import Floats, Timeline, undo_rounding

# Tables round times to milliseconds. A frame that is shown for less than this rounding error
# belongs to the neighbouring segment.
_ROUNDING = 5e-4


@dataclass(frozen=True, eq=False)
class VideoSegment:
    """Consecutive frames of an index.

    Args:
        first: Position of the first frame in the index.
        timeline: Times of the frames, in seconds from the start of the segment.
    """

    first: int
    timeline: Timeline


def find_segment(index: FrameIndex, start: float | None, end: float | None) -> VideoSegment | None:
    """Return the frames that are shown at any time from ``start`` to ``end``.

    Args:
        index: Index of the file.
        start: Start in seconds after the file's first frame; None for the start of the file.
        end: End in seconds, clipped to the end of the file; None for the end of the file.

    Returns:
        Segment, or None if no frame is shown in it.

    Raises:
        OptionError: The times of the frames are too large to be distinguished from each other.
    """
    bounds = _bounds(index)
    low = -math.inf if start is None else start + _ROUNDING
    high = math.inf if end is None else end - _ROUNDING
    shown = np.flatnonzero((bounds[1:] > low) & (bounds[:-1] < high))
    if not shown.size:
        return None
    first, stop = int(shown[0]), int(shown[-1]) + 1
    bounds = undo_rounding(bounds[first : stop + 1], float(index.time_base), index.rate)
    # The ends move only by more than the rounding error, so that a constant rate stays constant.
    # They never pass a neighbour, which moved when its rounding was undone.
    if start is not None and bounds[0] + _ROUNDING < start < bounds[1]:
        bounds[0] = start
    if end is not None and bounds[-2] < end < bounds[-1] - _ROUNDING:
        bounds[-1] = end
    bounds -= bounds[0]
    return VideoSegment(first, Timeline(bounds[:-1], end=float(bounds[-1])))


def check_times(path: Path, start: float | None, end: float | None) -> None:
    """Raise an error if no file can have a segment with these times.

    Raises:
        VideoError: A time is no number, negative or not finite, or the end is not after the start.
    """
    got = f"start={start!r}, end={end!r}"
    for time in (start, end):
        if time is not None and not (isinstance(time, Real) and math.isfinite(time) and time >= 0):
            raise VideoError(
                path, f"start and end of a segment must be finite times from 0 s up (got {got})"
            )
    if end is not None and end <= (start or 0.0):
        raise VideoError(path, f"the end of a segment must be after its start (got {got})")


def _bounds(index: FrameIndex) -> Floats:
    """Return the start of each frame and the end of the last (n+1,), in seconds after the first."""
    steps = (index.pts - index.first_pts).astype(np.float64)
    bounds = np.append(steps, steps[-1] + index.last_duration) * float(index.time_base)
    # Damaged files show several frames at one time: these share the time until the next frame, and
    # at the end of the file each lasts as long as the last one.
    _, begin, repeats = np.unique(index.pts, return_index=True, return_counts=True)
    for at, count in zip(begin[repeats > 1], repeats[repeats > 1], strict=True):
        stop = at + count
        if stop == len(index.pts):
            bounds[stop] = bounds[at] + count * index.last_duration * float(index.time_base)
        bounds[at : stop + 1] = np.linspace(bounds[at], bounds[stop], count + 1)
    return bounds
