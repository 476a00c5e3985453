"""Clips with faults: too dark, and files that are cut short."""

from pathlib import Path

import numpy as np

from fewact.lab.synthetic.conditions import Condition, picture
from fewact.video import EveryNth, read_frames, write_video
from tests.video.test_source import FPS

DARK = "very dark; record with more light"


def dark(path: Path) -> np.ndarray:
    frames = read_frames(path, EveryNth(1))
    return picture(frames, np.arange(len(frames)) / len(frames), Condition("dark", 2), 0)


def cut_short(path: Path, frames: np.ndarray) -> Path:
    noise = np.random.default_rng(0).integers(0, 9, frames.shape, np.uint8)
    intact = write_video(path, np.minimum(frames, 240) + noise, FPS).read_bytes()
    path.write_bytes(intact[: len(intact) * 7 // 10])
    return path
