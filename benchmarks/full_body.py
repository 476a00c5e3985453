"""Videos whose frames are edited: flipped, or with people who move as a whole.

The development classes of ``utd27_depth`` move the arms only. Detection of camera motion may fail
where the whole body moves, as in the test classes; these clips measure it on development data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.data import VideoList
from fewact.lab.synthetic.simulated_cameras import seed_of
from fewact.video import Reading, Sampler
from fewact.video.source import ProcessedVideo, Step, Transform, VideoSource, transformed


@dataclass(frozen=True)
class Edited(Step):
    """The frames that each sampler chose are edited together, at their own size.

    Args:
        edit: Function from frames (t h w 3) to the same number of frames.
        name: Name of the edit; part of the fingerprint.
    """

    edit: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    name: str

    @property
    def change(self) -> str:
        """Name of the edit."""
        return self.name

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Return the edited frames, see ``VideoSource.read``."""
        reading = source.read(samplers)
        edited = [self.edit(frames) for frames in reading]
        size = edited[0].shape[1:3] if edited else reading.size
        frames = [transformed(images, transform) for images in edited]
        return replace(reading, frames=frames, size=size)


def flip(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flipped frames (t h w 3)."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def flipped(videos: VideoList) -> VideoList:
    """Return all videos flipped horizontally."""
    return videos.processed(lambda _: Edited(flip, "flipped"), "flipped")


COMPRESSION = 0.4
"""Fraction of the body's height by which squatting lowers it."""

JUMP, JUMPS = 0.06, 4
"""Height of a jump of jogging as a fraction of the frame's height, and number of jumps."""

LEAN = 0.25
"""Sideways motion of the head as a fraction of the body's height."""

STEP = 0.12
"""Length of a step as a fraction of the frame's width."""

DARK = 12
"""Largest value of a background pixel."""

LEAST_EXTENT, MOST_EXTENT = 0.7, 1.1
"""Range of the extent of a motion, which differs between people."""

Progress = Callable[[Tensor], Tensor]
"""Function from times (t) in a clip, 0 to 1, to the progress of a motion (t)."""


def _there_and_back(at: Tensor) -> Tensor:
    return (1 - torch.cos(2 * torch.pi * at)) / 2


def _there(at: Tensor) -> Tensor:
    return at * at * (3 - 2 * at)


MOTIONS: Mapping[str, Progress | None] = {
    "original": None,
    "squat": _there_and_back,
    "sit down": _there,
    "rise": lambda at: 1 - _there(at),
    "jog": lambda at: _there_and_back(JUMPS * at),
    "lean": _there_and_back,
    "step": _there,
}


def with_motion(frames: NDArray[np.uint8], motion: str, extent: float = 1.0) -> NDArray[np.uint8]:
    """Return frames (t h w 3) in which the person moves as a whole.

    Args:
        frames: Frames of a person on a dark background.
        motion: One of ``MOTIONS``.
        extent: Extent of the motion; 1 is full.
    """
    progress = MOTIONS[motion]
    if progress is None:
        return frames
    t, h, w, _ = frames.shape
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    amount = extent * progress(torch.linspace(0, 1, t))[:, None, None]  # (t 1 1)
    down = torch.arange(h).float()[:, None].expand(t, h, w)
    across = torch.arange(w).float().expand(t, h, w)
    bright = (images.amax(1) > DARK).sum((0, 2))
    feet = int((bright > 0.02 * bright.max()).nonzero().max())
    if motion in ("squat", "sit down", "rise"):
        down = feet + (down - feet) / (1 - COMPRESSION * amount)
    elif motion == "jog":
        down = down + amount * JUMP * h
    elif motion == "lean":
        across = across - (feet - down) * LEAN * amount
    else:
        across = across - amount * STEP * w
    grid = torch.stack([across * 2 / (w - 1) - 1, down * 2 / (h - 1) - 1], -1)
    warped = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=True)
    after: NDArray[np.uint8] = warped.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return after


def edited(source: VideoSource, motion: str, extent: float = 1.0) -> VideoSource:
    """Return a video source in which the person moves as a whole, see ``with_motion``."""
    edit = partial(with_motion, motion=motion, extent=extent)
    return ProcessedVideo(source).then(Edited(edit, f"{motion} {extent}"))


def full_body(videos: VideoList) -> VideoList:
    """Return every second video, with the classes of ``MOTIONS`` in turn."""
    labels, made = list(MOTIONS), []
    for number, video in enumerate(videos.videos[1::2]):
        if video.source is None:
            continue
        motion = labels[number % len(labels)]
        extent = np.random.default_rng(seed_of(1, video.id)).uniform(LEAST_EXTENT, MOST_EXTENT)
        source = edited(video.source, motion, float(extent))
        made.append(replace(video, label=motion, source=source))
    return replace(videos, name=f"{videos.name}, full body", videos=tuple(made))
