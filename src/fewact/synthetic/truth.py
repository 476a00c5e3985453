"""Ground truth over time: the part that each frame shows, and the phase of that part."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import ShapeError
from fewact.core.random import NamedDraws
from fewact.synthetic.presets import Preset

MIN_FRAMES = 3
"""Number of frames of the shortest part."""

TIE = 1e-9
"""Tolerance for equal progress."""


@dataclass(frozen=True)
class Truth:
    """Ground truth of a video.

    Args:
        parts: Names of the parts.
        part: Part of each frame (t,); in a pause the previous part, before the first part 0.
        phase: Fraction of the part's motion done in each frame (t,), 0 … 1.
        pause: Whether the frame is in a pause (t,).
    """

    parts: tuple[str, ...]
    part: NDArray[np.int64]
    phase: NDArray[np.float64]
    pause: NDArray[np.bool_]

    @property
    def progress(self) -> NDArray[np.float64]:
        """Progress (t,): finished parts plus the phase of the current one, 0 … number of parts."""
        return self.part + self.phase


def correspondence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frames of two videos of a class correspond.

    Args:
        first: Progress (t,) of one video.
        second: Progress (t',) of the other video.

    Returns:
        Correspondence (t t'), bool: true if one of the two frames is nearest to the other in
        progress. Each row and each column has at least one; pauses and slower videos have several.

    >>> correspondence(np.array([0.0, 1.0]), np.array([0.0, 0.1, 0.9])).tolist()
    [[True, True, False], [False, False, True]]
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for name, progress in (("first", first), ("second", second)):
        if progress.ndim != 1 or not progress.size:
            raise ShapeError("not a progress", where=name, got=str(progress.shape), expected="(t,)")
    apart = np.abs(first[:, None] - second[None])  # (t t')
    by_row, by_column = apart.min(axis=1, keepdims=True), apart.min(axis=0, keepdims=True)
    return np.asarray((apart <= by_row + TIE) | (apart <= by_column + TIE))


def draw_truth(draws: NamedDraws, parts: tuple[str, ...], frames: int, preset: Preset) -> Truth:
    """Draw the timing of parts and pauses.

    Args:
        draws: Draws of the video.
        parts: Names of the parts.
        frames: Number of frames.
        preset: Preset with the ranges of lengths and pauses.
    """
    count = len(parts)
    lengths_drawn = [draws.uniform("lead", *preset.edge)]
    low, high = preset.part
    for index in range(count):
        lengths_drawn.append(low * (high / low) ** draws.uniform(f"length {index}"))
        pause_range = preset.edge if index == count - 1 else preset.gap
        lengths_drawn.append(draws.uniform(f"pause {index}", *pause_range))
    # Every part has at least its minimum length; the rest is divided by the drawn lengths.
    spare, total = frames - MIN_FRAMES * count, sum(lengths_drawn)
    ends = [int(spare * end / total + 0.5) for end in accumulate(lengths_drawn)]
    lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    part, phase, pause = [0] * lengths[0], [0.0] * lengths[0], [True] * lengths[0]
    for index in range(count):
        moving, still_frames = lengths[2 * index + 1] + MIN_FRAMES, lengths[2 * index + 2]
        haste = draws.uniform(f"haste {index}", -0.4, 0.4)
        done = [(frame + 0.5) / moving for frame in range(moving)]
        phase += [u + haste * u * (1 - u) for u in done] + [1.0] * still_frames
        part += [index] * (moving + still_frames)
        pause += [False] * moving + [True] * still_frames
    return Truth(parts, np.array(part, dtype=np.int64), np.array(phase), np.array(pause))
