"""The development clips of the ablation, and their features."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from benchmarks.datasets import fraction_of, parts, read_index
from benchmarks.edited import Edited
from benchmarks.full_body import full_body
from benchmarks.horizontal_flip import flipped
from fewact.backbones import Backbone
from fewact.data import VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.features.extract import extract
from fewact.features.request import (
    CameraMotionRequest,
    DifferenceRequest,
    FeatureRequest,
    Request,
    View,
)
from fewact.video import Segments

SETS = ("arms", "full_body", "rooms", "ucf7")
FRACTION = 0.5
"""Fraction of the clips of each class of ``arms``, ``rooms`` and ``ucf7``."""

REQUESTS: tuple[Request, ...] = (
    FeatureRequest("vectors", View(8)),
    FeatureRequest("middle", View(8)),
    FeatureRequest("middle", View(24, "auto")),
    FeatureRequest("middle", View(24)),
    FeatureRequest("shallow", View(24, "auto")),
    FeatureRequest("shallow", View(24)),
    DifferenceRequest(View(24, "auto")),
    DifferenceRequest(View(24)),
    CameraMotionRequest(View(24, "auto")),
)
"""Features of all variants."""

VECTORS = REQUESTS[:1]
Features = Mapping[Request, Tensor]


def development_sets(assets: Path) -> dict[str, VideoList]:
    """Return the sets that may choose options."""
    people, sports = (part.videos for part in parts(read_index(assets), development=True))
    arms = fraction_of(people, FRACTION)
    return {
        "arms": arms,
        "full_body": full_body(people),
        "rooms": rooms(arms, sports),
        "ucf7": fraction_of(sports, FRACTION),
    }


def in_front(frames: NDArray[np.uint8], background: Tensor) -> NDArray[np.uint8]:
    """Return people (t h w 3) on black, pasted in front of an image (1 3 h w)."""
    size = list(frames.shape[1:3])
    resized = functional.interpolate(background, size, mode="bilinear", antialias=True)
    behind = resized[0].permute(1, 2, 0).numpy().astype(float)
    opacity = np.clip((frames.max(-1, keepdims=True) - 12.0) / 20, 0, 1)
    made: NDArray[np.uint8] = (opacity * frames + (1 - opacity) * behind).round().astype(np.uint8)
    return made


def rooms(people: VideoList, backgrounds: VideoList) -> VideoList:
    """Return people on black, each person pasted in front of a frame of another clip."""
    clips = [v for v in backgrounds.videos if v.label == "PlayingPiano" and v.source]
    first = {video.group: video for video in reversed(clips)}
    found: dict[str, Tensor] = {}
    made = []
    for video in people.videos:
        if video.source is None or video.group is None:
            continue
        if video.group not in found:
            source = first[f"g{len(found) + 1:02d}"].source
            if source is None:
                raise SystemExit("the clip of a background is missing")
            frame = torch.from_numpy(source.read([Segments(1)])[0][0])
            found[video.group] = frame.permute(2, 0, 1)[None]
        edit = partial(in_front, background=found[video.group])
        made.append(replace(video, source=Edited(video.source, edit, "in front")))
    return replace(people, name=f"{people.name}, rooms", videos=tuple(made))


def recorded(videos: VideoList, condition: str, seed: int) -> VideoList:
    """Return videos under a simulated camera, or flipped under the fixed one."""
    if condition == "flipped":
        return with_simulated_camera(flipped(videos), "fixed", seed)
    return with_simulated_camera(videos, condition, seed)


def extract_features(videos: VideoList, backbone: Backbone, file: Path) -> int:
    """Store the features of all videos in a file; return the number of videos."""
    clips = [video.source for video in videos.videos if video.source]
    kept: list[list[Tensor]] = [[] for _ in REQUESTS]
    for found in extract(clips, backbone, REQUESTS):
        if found.features is None:
            raise SystemExit(str(found.error))
        for values, request in zip(kept, REQUESTS, strict=True):
            value = found.features[request]
            values.append(value.half() if value.ndim > 2 else value)
    part = file.with_suffix(".part")
    torch.save([torch.stack(values) for values in kept], part)
    part.rename(file)
    return len(clips)


def load_features(file: Path, *, vectors: bool) -> Features:
    """Return stored features, of all requests or of the vectors only."""
    stored: list[Tensor] = torch.load(file)
    found = dict(zip(REQUESTS, stored, strict=True))
    return {request: found[request] for request in (VECTORS if vectors else REQUESTS)}
