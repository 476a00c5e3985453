"""Batches of drawn videos: decoded in worker processes, or read from stored features."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fewact.backbones.card import Card
from fewact.backbones.transform import CROP_MARGIN, resized
from fewact.core.errors import VideoError
from fewact.core.random import RandomStream
from fewact.data.videos import VideoList
from fewact.features.request import Features, Request
from fewact.features.sources import FeatureSource
from fewact.training.augment import draw_crop
from fewact.training.batch import Batch, Drawn
from fewact.training.recipe import Augment
from fewact.video import Reading, collect_warnings
from fewact.video.samplers import training_sampler


@dataclass(frozen=True)
class FrameOptions:
    """Parameters of reading frames.

    Args:
        card: Card of the backbone.
        counts: Numbers of frames to read of each video.
        augment: Augmentation of the recipe.
        flip: Whether videos are flipped.
        seed: Seed of the recipe.
        stage: Number of the stage.
    """

    card: Card
    counts: tuple[int, ...]
    augment: Augment
    flip: bool
    seed: int
    stage: int

    @property
    def augments(self) -> bool:
        """Whether frames are augmented."""
        return self.flip or self.augment.model_copy(
            update={"flip": "auto", "read_size": None}
        ) != Augment(flip="auto")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width to which frames are resized."""
        read = self.augment.read_size
        return self.card.input_size if read is None or not self.augments else (read, read)


class FrameBatches(Dataset[Batch]):
    """Batches of frames, one frame at a random time of each segment.

    Args:
        videos: Training videos whose files are present.
        reading: Parameters of reading frames.
    """

    def __init__(self, videos: VideoList, reading: FrameOptions) -> None:
        self._videos, self._reading = videos, reading
        self._number = {label: i for i, label in enumerate(videos.classes)}

    def __getitem__(self, drawn: Drawn) -> Batch:
        """Return a batch on the CPU; it names videos that cannot be read."""
        reading = self._reading
        rows: list[Reading] = []
        crops: list[Tensor] = []
        unreadable: list[str] = []
        with collect_warnings() as warned:
            for slot, position in enumerate(drawn.positions):
                draws = RandomStream(
                    "training video", reading.seed, reading.stage, drawn.number, slot
                )
                try:
                    rows.append(self._read(position, draws))
                except VideoError as error:
                    unreadable.append(f"{self._videos.videos[position].id}: {error}")
                crops.append(draw_crop(reading.augment, draws, flip=reading.flip))
        frames: dict[int, Tensor] = {}
        if not unreadable:
            by_count = zip(reading.counts, zip(*rows, strict=True), strict=True)
            frames = {t: torch.from_numpy(np.stack(videos)) for t, videos in by_count}
        return Batch(
            drawn,
            labels(drawn, self._videos, self._number),
            frames={t: value.movedim(-1, -3).contiguous() for t, value in frames.items()},
            features={},
            crops=torch.stack(crops) if reading.augments else None,
            unreadable=tuple(unreadable),
            warned=tuple(warned),
        )

    def _read(self, position: int, draws: RandomStream) -> Reading:
        """Read frames (t H W 3) of one video for each number of frames."""
        video = self._videos.videos[position]
        if video.source is None:
            raise VideoError("", "there is no file")
        name = self._reading.card.sampler
        samplers = [
            training_sampler(name, count, draws.below(2**63)) for count in self._reading.counts
        ]
        return video.source.read(samplers, transform=self._shrink)

    def _shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = torch.from_numpy(np.require(frame, requirements=["C", "W"]))
        reading = self._reading
        # A random crop of the augmentation replaces the margin of the centre crop.
        margin = 1.0 if reading.augments else CROP_MARGIN
        small = resized(image.permute(2, 0, 1)[None], reading.card, reading.size, margin)
        shrunk: NDArray[np.uint8] = small[0].permute(1, 2, 0).numpy()
        return shrunk


class FeatureBatches(Dataset[Batch]):
    """Batches of stored features.

    Args:
        videos: Training videos.
        source: Source of their features.
        requests: Features to read.
    """

    def __init__(
        self, videos: VideoList, source: FeatureSource, requests: Sequence[Request]
    ) -> None:
        self._videos, self._source, self._requests = videos, source, requests
        self._number = {label: i for i, label in enumerate(videos.classes)}

    def __getitem__(self, drawn: Drawn) -> Batch:
        """Return a batch on the CPU; videos that cannot be read are named in it."""
        rows: list[Features] = []
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
                request: torch.stack([row[request] for row in rows]).float()
                for request in self._requests
            }
        return Batch(
            drawn,
            labels(drawn, self._videos, self._number),
            frames={},
            features=features,
            unreadable=tuple(unreadable),
        )


def labels(drawn: Drawn, videos: VideoList, number: dict[str, int]) -> Tensor:
    """Return the training classes (v) of a batch's videos, int64."""
    return torch.tensor([number[videos.videos[position].label] for position in drawn.positions])


def load(
    batches: FrameBatches | FeatureBatches,
    drawn: Iterable[Drawn],
    *,
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Yield batches in order on a device; worker processes prepare some ahead.

    Args:
        batches: Data set of batches.
        drawn: Videos of each batch.
        workers: Number of processes that decode; 0 to decode in this process. Features are always
            read in this process.
        device: Device of the batches.
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
    """End this process when the one that it works for has ended, however that was killed.

    torch looks whether the process that forked this one is alive, which is the server.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("not a process that another one has started")

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _unchanged(batch: Batch) -> Batch:
    return batch
