"""Batches of videos: drawn, decoded in worker processes or read from stored features, and loaded.

The videos of a batch depend on the seed, the stage and the batch number alone.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fewact.core.errors import VideoError
from fewact.core.random import RandomStream
from fewact.data.videos import GroupScope, VideoList
from fewact.features.request import Request
from fewact.lab.evaluation.episodes import LARGEST_SEED, Protocol, drawer
from fewact.lab.store.sources import FeatureSource
from fewact.lab.training.augment import draw_crop, flips
from fewact.lab.training.recipe import Augment, ClassifyStage, EpisodesStage
from fewact.networks.backbone import CROP_MARGIN, resized
from fewact.networks.card import Card
from fewact.video import Reading, collect_warnings
from fewact.video.samplers import training_sampler


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
    """Return the function that draws the batches of a stage; ``number`` is its number.

    Raises:
        EpisodeError: The list has too few videos for these episodes.
    """
    if isinstance(stage, ClassifyStage):
        return _classes(videos, stage.batch, seed, number)
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
        return self._map(lambda value: value.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Copy the batch to pinned memory."""
        return self._map(Tensor.pin_memory)

    def _map(self, copy: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            labels=copy(self.labels),
            frames={t: copy(value) for t, value in self.frames.items()},
            features={request: copy(value) for request, value in self.features.items()},
            crops=None if self.crops is None else copy(self.crops),
        )


class FrameBatches(Dataset[Batch]):
    """Batches of frames, one frame at a random time of each segment.

    Each video's file must be present; ``counts`` are the numbers of frames to read of each video.
    """

    def __init__(
        self,
        videos: VideoList,
        card: Card,
        counts: tuple[int, ...],
        augment: Augment,
        *,
        seed: int,
        stage: int,
    ) -> None:
        self._videos, self._card, self._counts, self._augment = videos, card, counts, augment
        self._seed, self._stage = seed, stage
        self._flip = flips(augment.flip, videos.name)
        unchanged = augment.model_copy(update={"flip": "auto", "read_size": None}) == Augment()
        self._augments = self._flip or not unchanged

    def __getitem__(self, drawn: Drawn) -> Batch:
        """Return a batch on the CPU; it names videos that cannot be read."""
        rows: list[Reading] = []
        crops: list[Tensor] = []
        unreadable: list[str] = []
        with collect_warnings() as warned:
            for slot, position in enumerate(drawn.positions):
                key = (self._seed, self._stage, drawn.number, slot)
                draws = RandomStream("training video", *key)
                try:
                    rows.append(self._read(position, draws))
                except VideoError as error:
                    unreadable.append(f"{self._videos.videos[position].id}: {error}")
                crops.append(draw_crop(self._augment, draws, flip=self._flip))
        frames: dict[int, Tensor] = {}
        if not unreadable:
            by_count = zip(self._counts, zip(*rows, strict=True), strict=True)
            frames = {t: torch.from_numpy(np.stack(videos)) for t, videos in by_count}
        return Batch(
            drawn,
            _labels(drawn, self._videos),
            frames={t: value.movedim(-1, -3).contiguous() for t, value in frames.items()},
            features={},
            crops=torch.stack(crops) if self._augments else None,
            unreadable=tuple(unreadable),
            warned=tuple(warned),
        )

    def _read(self, position: int, draws: RandomStream) -> Reading:
        """Read frames (t H W 3) of one video for each number of frames."""
        video = self._videos.videos[position]
        if video.source is None:
            raise VideoError("", "there is no file")
        name = self._card.sampler
        samplers = [training_sampler(name, count, draws.below(2**63)) for count in self._counts]
        return video.source.read(samplers, transform=self._shrink)

    def _shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size, margin = self._card.input_size, CROP_MARGIN
        if self._augments:
            margin = 1.0  # A random crop replaces the margin of the middle crop.
            side = self._augment.read_size
            size = size if side is None else (side, side)
        shrunk: NDArray[np.uint8] = resized(frame[None], self._card, size, margin)[0]
        return shrunk


class FeatureBatches(Dataset[Batch]):
    """Batches of stored features of these requests."""

    def __init__(
        self, videos: VideoList, source: FeatureSource, requests: Sequence[Request]
    ) -> None:
        self._videos, self._source, self._requests = videos, source, requests

    def __getitem__(self, drawn: Drawn) -> Batch:
        """Return a batch on the CPU; it names videos that cannot be read."""
        rows: list[Mapping[Request, NDArray[Any]]] = []
        unreadable: list[str] = []
        read = self._source.features(drawn.positions, self._requests)
        for position, row in zip(drawn.positions, read, strict=True):
            if isinstance(row, VideoError):
                unreadable.append(f"{self._videos.videos[position].id}: {row}")
            else:
                rows.append(row)
        features: dict[Request, Tensor] = {}
        if not unreadable:
            features = {
                request: torch.from_numpy(np.stack([row[request] for row in rows])).float()
                for request in self._requests
            }
        labels = _labels(drawn, self._videos)
        return Batch(drawn, labels, frames={}, features=features, unreadable=tuple(unreadable))


def _labels(drawn: Drawn, videos: VideoList) -> Tensor:
    """Return the training classes (v) of a batch's videos, int64."""
    number = {label: i for i, label in enumerate(videos.classes)}
    return torch.tensor([number[videos.videos[position].label] for position in drawn.positions])


def load(
    batches: FrameBatches | FeatureBatches,
    drawn: Iterable[Drawn],
    *,
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Yield batches in order on a device; worker processes decode some ahead.

    With 0 workers, this process decodes. Features are always read in this process.
    """
    workers = workers if isinstance(batches, FrameBatches) else 0
    loader: DataLoader[Batch] = DataLoader(
        batches,
        batch_size=None,
        sampler=drawn,
        num_workers=workers,
        multiprocessing_context=_start_method() if workers else None,
        worker_init_fn=_end_with_parent if workers else None,
        pin_memory=device.type == "cuda",
        collate_fn=_unchanged,  # type: ignore[arg-type]  # without batch_size it gets one item
    )
    for batch in loader:
        yield batch.to(device)


def _start_method() -> BaseContext:
    """Return how processes start: forked from a server that has loaded this module and torch.

    A process forked from this one may deadlock on locks of its threads. A new one, as on Windows,
    takes seconds to load torch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _end_with_parent(worker: int) -> None:
    """End this process when its parent has ended, even if the parent was killed.

    torch checks the process that forked this process, which is the server, not the parent.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a process without a parent")

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _unchanged(batch: Batch) -> Batch:
    return batch
