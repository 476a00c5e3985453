"""What is shown when: which frame belongs to which part, and how far that part has come."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fewact.errors import ShapeError
from fewact.random import NamedDraws
from fewact.synthetic.presets import Preset

LEAST = 3
"""Frames of the shortest part."""

TIE = 1e-9
"""Progress that differs by less is the same."""


@dataclass(frozen=True)
class Truth:
    """Which frame of a video shows what.

    Args:
        parts: What happens in each part, in words.
        part: (t,) the part a frame belongs to; that of the part before where it is a pause, and
            0 before the first.
        phase: (t,) how much of that part's motion is done, 0 … 1.
        pause: (t,) whether nothing of the class moves.
    """

    parts: tuple[str, ...]
    part: NDArray[np.int64]
    phase: NDArray[np.float64]
    pause: NDArray[np.bool_]

    @property
    def progress(self) -> NDArray[np.float64]:
        """(t,) parts done, with the share of the one that is under way: 0 … number of parts."""
        return self.part + self.phase


def correspondence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which moments of two videos of a class show the same.

    Args:
        first: (t,) progress of moments of one.
        second: (t',) the same of the other.

    Returns:
        (t t'): true where one of the two is nearest to the other in progress. In each row and each
        column one at least is true; several are in pauses, and where one video is slower.

    Raises:
        ShapeError: Progress that is not of one axis, or of no moments.

    >>> correspondence(np.array([0.0, 1.0]), np.array([0.0, 0.1, 0.9])).tolist()
    [[True, True, False], [False, False, True]]
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for name, given in (("first", first), ("second", second)):
        if given.ndim != 1 or not given.size:
            raise ShapeError("is no progress", where=name, got=str(given.shape), expected="(t,)")
    apart = np.abs(first[:, None] - second[None])  # (t t')
    by_row, by_column = apart.min(axis=1, keepdims=True), apart.min(axis=0, keepdims=True)
    return np.asarray((apart <= by_row + TIE) | (apart <= by_column + TIE))


def draw_truth(draws: NamedDraws, parts: tuple[str, ...], frames: int, preset: Preset) -> Truth:
    """Lay out parts and pauses in time.

    Args:
        draws: For this video.
        parts: What happens in each part, in words.
        frames: How many there are.
        preset: How lengths and pauses vary.
    """
    count = len(parts)
    wanted = [draws.uniform("lead", *preset.edge)]
    low, high = preset.part
    for index in range(count):
        wanted.append(low * (high / low) ** draws.uniform(f"length {index}"))
        still = preset.edge if index == count - 1 else preset.gap
        wanted.append(draws.uniform(f"pause {index}", *still))
    # Every part keeps its least length; what is left is shared out by the drawn lengths.
    spare, total = frames - LEAST * count, sum(wanted)
    ends = [int(spare * end / total + 0.5) for end in accumulate(wanted)]
    lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    part, phase, pause = [0] * lengths[0], [0.0] * lengths[0], [True] * lengths[0]
    for index in range(count):
        moving, rest = lengths[2 * index + 1] + LEAST, lengths[2 * index + 2]
        haste = draws.uniform(f"haste {index}", -0.4, 0.4)
        done = [(frame + 0.5) / moving for frame in range(moving)]
        phase += [u + haste * u * (1 - u) for u in done] + [1.0] * rest
        part += [index] * (moving + rest)
        pause += [False] * moving + [True] * rest
    return Truth(parts, np.array(part, dtype=np.int64), np.array(phase), np.array(pause))
