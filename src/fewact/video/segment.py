"""A stretch of a video: which frames are shown in it, and when."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewact.errors import VideoError
from fewact.video.index import FrameIndex
from fewact.video.timeline import Floats, Timeline, straighten

# Tables round times to milliseconds; a frame shown for less than that error is a neighbour's.
_ROUNDING = 5e-4


@dataclass(frozen=True, eq=False)
class VideoSegment:
    """A run of frames of an index.

    Args:
        first: Position in the index of the first one.
        timeline: When each is shown, in seconds from the stretch's beginning.
    """

    first: int
    timeline: Timeline


def cut_out(index: FrameIndex, start: float | None, end: float | None) -> VideoSegment | None:
    """The frames that are shown at any time from ``start`` to ``end``.

    Args:
        index: Of a file.
        start: Seconds from the file's first frame; None for its beginning.
        end: Seconds; None for its end, and clipped to it.

    Returns:
        The stretch, or None where no frame is shown in it.
    """
    bounds = _bounds(index)
    low = -math.inf if start is None else start + _ROUNDING
    high = math.inf if end is None else end - _ROUNDING
    shown = np.flatnonzero((bounds[1:] > low) & (bounds[:-1] < high))
    if not shown.size:
        return None
    first, stop = int(shown[0]), int(shown[-1]) + 1
    bounds = straighten(bounds[first : stop + 1], float(index.unit), index.rate)
    # The ends move only by more than the rounding error, so that a constant rate stays so.
    if start is not None and start - bounds[0] > _ROUNDING:
        bounds[0] = start
    if end is not None and bounds[-1] - end > _ROUNDING:
        bounds[-1] = end
    bounds -= bounds[0]
    return VideoSegment(first, Timeline(bounds[:-1], end=float(bounds[-1])))


def check_times(path: Path, start: float | None, end: float | None) -> None:
    """Refuse times that mean no stretch of any file.

    Raises:
        VideoError: A time is negative or no number, or the end is not after the start.
    """
    given = f"start={start}, end={end}"
    for time in (start, end):
        if time is not None and not (math.isfinite(time) and time >= 0):
            raise VideoError(
                path, f"a stretch begins and ends at finite times from 0 s up (got {given})"
            )
    if end is not None and end <= (start or 0.0):
        raise VideoError(path, f"a stretch ends after it begins (got {given})")


def _bounds(index: FrameIndex) -> Floats:
    """(n+1,) when each frame appears, and when the last disappears, in seconds from the first."""
    ticks = np.append(index.pts, index.pts[-1] + index.last) - index.origin
    bounds = ticks * float(index.unit)
    # Damaged clocks show several frames at once: these share the time until the next one, and at
    # the end each lasts as long as the last.
    _, begin, repeats = np.unique(index.pts, return_index=True, return_counts=True)
    for at, count in zip(begin[repeats > 1], repeats[repeats > 1], strict=True):
        stop = at + count
        if stop == len(index.pts):
            bounds[stop] = bounds[at] + count * index.last * float(index.unit)
        bounds[at : stop + 1] = np.linspace(bounds[at], bounds[stop], count + 1)
    return bounds
