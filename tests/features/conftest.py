"""Small clips, and a backbone so small that running it costs nothing."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from fewact.data.clips import Clip
from fewact.lab.networks.network import randomise
from fewact.networks import Backbone, Description, Level, StagedNetwork
from fewact.networks.backbone import make_card
from fewact.networks.weights import Weights
from fewact.video import write_video
from tests.features.store_of_vectors import episodes, store, values, videos  # noqa: F401


class Tiny(StagedNetwork):
    """Two convolutions; ``deep`` counts the frames that reached the second."""

    defaults = Description(
        name="tiny",
        summary="for these tests",
        needs="nothing",
        input_size=(32, 48),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        vectors=6,
        maps=(6, 1, 2),
        middle=(4, 2, 3),
        shallow=(4, 4, 6),
        parameters=3 * 4 * 9 + 4 * 6,
        licence="none",
        trained_on=(),
    )

    def __init__(self, options: object) -> None:
        super().__init__(options)
        self.first = nn.Conv2d(3, 4, 3, stride=8, padding=1, bias=False)
        self.second = nn.Conv2d(4, 6, 1, stride=2, bias=False)
        self.counts = {"early": 0, "late": 0}

    def to_shallow(self, images: Tensor) -> Tensor:
        self.counts["early"] += len(images)
        shallow: Tensor = self.first(images)
        return shallow

    def to_middle(self, shallow: Tensor) -> Tensor:
        return shallow[..., ::2, ::2]

    def to_maps(self, middle: Tensor) -> Tensor:
        self.counts["late"] += len(middle)
        maps: Tensor = self.second(middle)
        return maps


@pytest.fixture
def tiny() -> Backbone:
    network = Tiny(None)
    randomise(network, 0)
    card = make_card(network, Weights({}, "random"), "float32")
    return Backbone(network.eval().to(memory_format=network.memory_format), card)


@pytest.fixture
def runs(tiny: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Numbers of frames and of levels of each run of the network, as they happen."""
    found: list[tuple[int, int]] = []
    features = tiny.features

    def counted(one: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        found.append((len(one), len(levels)))
        return features(one, levels)

    monkeypatch.setattr(tiny, "features", counted)
    return found


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folder that FEWACT_CACHE names while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FEWACT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Five clips of 12 to 16 frames; each frame has a level of its own."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for number in range(5):
        levels = np.linspace(20, 60, 12 + number) + 40 * number
        frames = np.broadcast_to(
            levels.astype(np.uint8)[:, None, None, None], (len(levels), 48, 64, 3)
        )
        path = folder / f"{number}.mp4"
        write_video(path, frames.copy(), 12)
        made.append(Clip(path, label=str(number)))
    return made


@pytest.fixture
def broken(tmp_path: Path) -> Clip:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video")
    return Clip(path)
