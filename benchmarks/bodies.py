"""People on black who are made to move as a whole: squat, sit down, rise, jog, lean, step aside.

The development classes of ``utd27_depth`` move arms alone. What tells a camera's motion from theirs
may fail where a body moves, which the other classes do; with these it can be chosen without them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.changed import Changed
from fewact.camera.simulated import seed_of
from fewact.data import VideoList
from fewact.data.video_source import VideoSource

PRESSED, HOP, HOPS, LEAN, STEP = 0.4, 0.06, 4, 0.25, 0.12
"""Of a body's height; of the picture's, and how often; of the height; of the picture's width."""

DARK = 12
LEAST, MOST = 0.7, 1.1
"""How far people go beside one another."""

Way = Callable[[Tensor], Tensor]
"""From moments (t) of a clip, 0 to 1, to how far a motion has got (t)."""


def _there_and_back(at: Tensor) -> Tensor:
    return (1 - torch.cos(2 * torch.pi * at)) / 2


def _there(at: Tensor) -> Tensor:
    return at * at * (3 - 2 * at)


BODIES: Mapping[str, Way | None] = {
    "original": None,
    "squat": _there_and_back,
    "sit down": _there,
    "rise": lambda at: 1 - _there(at),
    "jog": lambda at: _there_and_back(HOPS * at),
    "lean": _there_and_back,
    "step": _there,
}


def moved(frames: NDArray[np.uint8], body: str, extent: float = 1.0) -> NDArray[np.uint8]:
    """The person of some frames (t h w 3), moving otherwise, and so far."""
    way = BODIES[body]
    if way is None:
        return frames
    t, h, w, _ = frames.shape
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    far = extent * way(torch.linspace(0, 1, t))[:, None, None]  # (t 1 1)
    down = torch.arange(h).float()[:, None].expand(t, h, w)
    across = torch.arange(w).float().expand(t, h, w)
    lit = (pictures.amax(1) > DARK).sum((0, 2))
    feet = int((lit > 0.02 * lit.max()).nonzero().max())
    if body in ("squat", "sit down", "rise"):
        down = feet + (down - feet) / (1 - PRESSED * far)
    elif body == "jog":
        down = down + far * HOP * h
    elif body == "lean":
        across = across - (feet - down) * LEAN * far
    else:
        across = across - far * STEP * w
    grid = torch.stack([across * 2 / (w - 1) - 1, down * 2 / (h - 1) - 1], -1)
    found = functional.grid_sample(pictures, grid, padding_mode="zeros", align_corners=True)
    after: NDArray[np.uint8] = found.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return after


def actor(source: VideoSource, body: str, extent: float = 1.0) -> VideoSource:
    """Footage of a person who moves otherwise."""
    return Changed(source, partial(moved, body=body, extent=extent), f"{body} {extent}")


def acting(videos: VideoList) -> VideoList:
    """Every second video, with a body's motion for its class, in turn."""
    kinds, made = list(BODIES), []
    for number, video in enumerate(videos.videos[1::2]):
        if video.source is None:
            continue
        body = kinds[number % len(kinds)]
        extent = np.random.default_rng(seed_of(1, video.id)).uniform(LEAST, MOST)
        made.append(replace(video, label=body, source=actor(video.source, body, float(extent))))
    return replace(videos, name=f"{videos.name}, bodies", videos=tuple(made))
