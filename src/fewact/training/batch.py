"""Batches: their videos are drawn by the seed, the stage and the batch number alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

import torch
from torch import Tensor

from fewact.core.random import RandomStream
from fewact.data.videos import GroupScope, VideoList
from fewact.evaluation.episodes import LARGEST_SEED, Protocol, drawer
from fewact.features.request import Request
from fewact.training.recipe import ClassifyStage, EpisodesStage


@dataclass(frozen=True)
class Drawn:
    """Videos of a batch.

    Args:
        number: Number of the batch in its stage.
        positions: Positions (v) in the list of training videos. For each episode: the support,
            class by class, then the queries, class by class.
        shots: Number of support videos per class; 0 without episodes.
        queries: Number of query videos per class; 0 without episodes.
        ways: Number of classes of an episode; 0 without episodes.
    """

    number: int
    positions: tuple[int, ...]
    shots: int = 0
    queries: int = 0
    ways: int = 0


Drawing = Callable[[int], Drawn]
"""Function from a batch number to the batch's videos."""


def drawing(
    videos: VideoList,
    stage: ClassifyStage | EpisodesStage,
    *,
    seed: int,
    number: int,
    groups: GroupScope,
) -> Drawing:
    """Return the function that draws the batches of a stage.

    Args:
        videos: Training videos.
        stage: Stage of the recipe.
        seed: Seed of the recipe.
        number: Number of the stage in the recipe.
        groups: Rule that keeps recordings or persons apart in episodes.

    Raises:
        EpisodeError: The list has too few videos for these episodes.
    """
    match stage:
        case ClassifyStage():
            return _classes(videos, stage.batch, seed, number)
        case EpisodesStage():
            return _episodes(videos, stage, seed, number, groups)
        case _:
            assert_never(stage)


def _episodes(
    videos: VideoList, stage: EpisodesStage, seed: int, number: int, groups: GroupScope
) -> Drawing:
    protocol = Protocol(
        ways=stage.ways,
        shots=stage.shots,
        queries=stage.queries,
        seed=RandomStream("training episodes", seed, number).below(LARGEST_SEED),
        groups=groups,
    )
    episode = drawer(videos, protocol)

    def draw(batch: int) -> Drawn:
        parts = [episode(batch * stage.batch + i) for i in range(stage.batch)]
        positions = [video for support, query in parts for video in (*support, *query)]
        return Drawn(batch, tuple(positions), stage.shots, stage.queries, stage.ways)

    return draw


def _classes(videos: VideoList, size: int, seed: int, number: int) -> Drawing:
    """Draw as many classes as possible, each as often as the others or once more."""
    members: dict[str, list[int]] = {label: [] for label in videos.classes}
    for position, video in enumerate(videos.videos):
        members[video.label].append(position)
    classes = list(members.values())
    per_class, remainder = divmod(size, len(classes))

    def draw(batch: int) -> Drawn:
        draws = RandomStream("training classes", seed, number, batch)
        larger = set(draws.choose(range(len(classes)), remainder))
        positions: list[int] = []
        for index, members_of_class in enumerate(classes):
            needed = per_class + (index in larger)
            while needed:
                drawn = draws.choose(members_of_class, min(needed, len(members_of_class)))
                positions += drawn
                needed -= len(drawn)
        return Drawn(batch, tuple(positions))

    return draw


@dataclass(frozen=True)
class Batch:
    """Videos with their frames or with their features.

    Args:
        drawn: Positions of the videos in the list.
        labels: Training classes (v) of the videos, int64.
        frames: Frames (v t 3 H W), uint8, by number of input frames; empty if there are features.
        features: Features (v t …) by request; empty if there are frames.
        crops: Augmentation parameters (v 8), float32, see ``draw_crop``; None for no augmentation.
        unreadable: Errors of videos that cannot be read.
        warned: Warnings of the decoder.
    """

    drawn: Drawn
    labels: Tensor
    frames: dict[int, Tensor]
    features: dict[Request, Tensor]
    crops: Tensor | None = None
    unreadable: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device."""
        return replace(
            self,
            labels=self.labels.to(device, non_blocking=True),
            frames={t: x.to(device, non_blocking=True) for t, x in self.frames.items()},
            features={t: x.to(device, non_blocking=True) for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "Batch":
        """Copy the batch to pinned memory."""
        return replace(
            self,
            labels=self.labels.pin_memory(),
            frames={t: x.pin_memory() for t, x in self.frames.items()},
            features={t: x.pin_memory() for t, x in self.features.items()},
            crops=None if self.crops is None else self.crops.pin_memory(),
        )
