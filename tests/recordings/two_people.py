"""Clips of two people who stand side by side, made of depth clips of one."""

from pathlib import Path

import numpy as np

from fewact.data import Clip
from fewact.video import EveryNth

FPS = 15
SIZE = 120, 160
TAUGHT = ("a04_clap", "a07_basketball_shoot", "a12_bowling")
HALVES = 0, 160
"""Left ends of the clips of two people who stand side by side."""


def frames_of(assets: Path, label: str, person: int, take: int = 1) -> np.ndarray:
    """Return the frames (t h w 3) of a depth clip, about 15 a second."""
    number = int(label[1:3])
    path = assets / "clips/utd27_depth" / label / f"a{number}_s{person}_t{take}_depth.mp4"
    (frames,) = Clip(path).read([EveryNth(2)])
    rows, columns = (np.arange(n) * m // n for n, m in zip(SIZE, frames.shape[1:3], strict=True))
    return np.asarray(frames[:, rows][:, :, columns])


def beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return two clips side by side; the shorter one ends with a still person."""
    count = max(len(first), len(second))
    parts = [np.concatenate([x, np.repeat(x[-1:], count - len(x), 0)]) for x in (first, second)]
    return np.concatenate(parts, axis=2)


def alone(frames: np.ndarray) -> np.ndarray:
    """Return a clip in the middle of a picture for two."""
    side = np.zeros((*frames.shape[:2], SIZE[1] // 2, 3), np.uint8)
    return np.concatenate([side, frames, side], axis=2)
