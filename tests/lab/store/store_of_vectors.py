"""A store of made-up vectors, whose videos lie in no file."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.data import VideoList
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Store
from fewact.features.store.store import KnownVideo
from fewact.lab.evaluation.episodes import EpisodeSet, Protocol, draw
from fewact.lab.store import Job
from fewact.lab.store.sources import ArrayFeatures
from fewact.networks import Card
from tests.lab.evaluation.episodes.made_up import videos_of

REQUEST = FeatureRequest("vectors", View(4))


def card(**changes: Any) -> Card:
    made = ArrayFeatures(np.ones((1, 4, 6), np.float32), "made up").card
    return dataclasses.replace(made, **changes)


def fill(store: Store, videos: VideoList, card: Card, values: np.ndarray) -> None:
    """Store vectors as ``fewact embed`` would, for videos that lie in no file here."""
    job = Job(store, videos, card, [REQUEST])
    keys = [f"key of {video.id}" for video in videos.videos]
    store.known(videos.name).write(
        {v.id: KnownVideo(fingerprint=k) for v, k in zip(videos.videos, keys, strict=True)}
    )
    rows = {k: {"features": row} for k, row in zip(keys, values, strict=True)}
    job.sets[REQUEST].write(rows)


@pytest.fixture
def videos() -> VideoList:
    return videos_of(classes=8, each=6)


@pytest.fixture
def episodes(videos: VideoList) -> EpisodeSet:
    return draw(videos, Protocol(ways=4, shots=2, queries=2, count=50))


@pytest.fixture
def values(videos: VideoList) -> np.ndarray:
    rng = np.random.default_rng(0)
    number = {label: i for i, label in enumerate(videos.classes)}
    centres = rng.standard_normal((len(number), 4, 6))
    noise = rng.standard_normal((len(videos.videos), 4, 6))
    mine = centres[[number[video.label] for video in videos.videos]]
    return (mine + 1.5 * noise).astype(np.float16)


@pytest.fixture
def store(tmp_path: Path, videos: VideoList, values: np.ndarray) -> Store:
    store = Store.create(tmp_path / "store")
    fill(store, videos, card(), values)
    return store
