"""Small lists, features that tell their classes, tiny networks and short recipes."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from fewact.data import Video, VideoList
from fewact.lab.evaluation import ArrayFeatures
from fewact.lab.networks import StagedNetwork
from fewact.lab.training import Recipe, TrainingData
from fewact.lab.training.recipe import parse
from fewact.networks import Description
from fewact.synthetic import motions

FRAMES, WIDTH = 4, 6


def split_list(split: str, classes: range, each: int = 5, name: str = "made up") -> VideoList:
    return VideoList(
        name,
        tuple(
            Video(f"{label}/{i}", f"class {label}", split)  # type: ignore[arg-type]
            for i in range(each)
            for label in classes
        ),
    )


def features_of(videos: VideoList, seed: int = 0) -> ArrayFeatures:
    """Features (v t d): what tells the classes lies in two channels, under noise in the others."""
    rng = np.random.default_rng([seed, len(videos.classes)])
    spread = np.array([1, 1, 0, 0, 0, 0])
    centres = {label: spread * rng.standard_normal((FRAMES, WIDTH)) for label in videos.classes}
    noise = np.array([0.2, 0.2, 2, 2, 2, 2])
    values = [
        centres[video.label] + noise * rng.standard_normal((FRAMES, WIDTH))
        for video in videos.videos
    ]
    return ArrayFeatures(np.stack(values).astype(np.float32), "made up")


def data_of(classes: int = 6) -> TrainingData:
    train = split_list("train", range(classes))
    val = split_list("val", range(classes, classes + 5))
    return TrainingData(train, val, features_of(train, seed=1), features_of(val, seed=2))


CLASSIFY = {"kind": "classify", "inputs": "stored", "steps": 4, "batch": 8, "lr": 0.01}
EPISODES = {
    "kind": "episodes",
    "inputs": "stored",
    "steps": 6,
    "ways": 3,
    "shots": 1,
    "queries": 2,
    "lr": 0.01,
}
A2M2 = {
    "name": "a2m2",
    "options": {
        "moments.level": "vectors",
        "frames": FRAMES,
        "moments.lengths": [2, 4],
        "moments.reduction": "learned",
        "moments.in_channels": WIDTH,
        "moments.width": 4,
    },
}


def recipe_of(*stages: dict[str, Any], **changes: Any) -> Recipe:
    content = {
        "name": "small",
        "summary": "A small one.",
        "data": "made up",
        "method": A2M2,
        "backbone": {"name": "tiny", "weights": "random"},
        "stages": list(stages),
        "validation": {"every": 2, "ways": 3, "queries": 2, "count": 20},
        "keep_every": 2,
    }
    return parse(content | changes, "small")


class Tiny(StagedNetwork):
    """Two convolutions, each with a batch norm, on pictures of 32×32."""

    defaults = Description(
        name="tiny",
        summary="for tests",
        needs="nothing",
        input_size=(32, 32),
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        vectors=WIDTH,
        maps=(WIDTH, 2, 2),
        middle=(4, 4, 4),
        shallow=(4, 7, 7),
        parameters=0,
        licence="none",
        trained_on=(),
    )

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.first = nn.Conv2d(3, 4, 8, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, WIDTH, 2, stride=2, bias=False)
        self.norm2 = nn.BatchNorm2d(WIDTH)

    def to_shallow(self, images: Tensor) -> Tensor:
        shallow: Tensor = self.norm(self.first(images)).relu()
        return shallow

    def to_middle(self, shallow: Tensor) -> Tensor:
        return shallow[..., ::2, ::2]

    def to_maps(self, middle: Tensor) -> Tensor:
        maps: Tensor = self.norm2(self.second(middle)).relu()
        return maps


def motions_data(name: str = "motions-small", classes: int = 4, each: int = 3) -> TrainingData:
    """Rendered videos of 32×32 of a few training and validation classes."""
    videos = motions(size=32, videos=each, frames=12).videos

    def some(split: str, count: int) -> VideoList:
        found = videos.of(split)  # type: ignore[arg-type]
        labels = found.classes[:count]
        kept = tuple(video for video in found.videos if video.label in labels)
        return replace(found, name=name, videos=kept)

    return TrainingData(some("train", classes), some("val", 3))


FRAMES_RECIPE: dict[str, Any] = {
    "method": {
        "name": "a2m2",
        "options": {**A2M2["options"], "moments.level": "maps", "moments.lengths": [1, 4]},
    },
    "precision": "float32",
}
