"""Small clips, and a backbone so small that running it costs nothing."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.data.clips import Clip
from fewact.networks import Backbone, Card, Level
from fewact.networks.backbone import normalised
from fewact.networks.card import EngineName
from fewact.video import write_video

CARD = Card(
    name="tiny",
    input_size=(32, 48),
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    vectors=6,
    maps=(6, 1, 2),
    middle=(4, 2, 3),
    shallow=(4, 4, 6),
    parameters=4 * 3 * 9 + 6 * 4,
    licence="none",
    weights="random",
    weights_sha256="",
    trained_on=(),
)


class TinyEngine:
    """Two convolutions, of 3 × 3 pixels at stride 8 and of 1 × 1 at stride 2.

    ``counts`` has the numbers of frames that reached each.
    """

    name: EngineName = "onnx"
    device = "cpu"
    frames_together = 1

    def __init__(self) -> None:
        draws = np.random.default_rng(0)
        self.first = draws.standard_normal((3 * 9, 4)).astype(np.float32)
        self.second = draws.standard_normal((6, 4)).astype(np.float32)
        self.counts = {"early": 0, "late": 0}

    def run(
        self, frames: NDArray[np.uint8], levels: Collection[Level]
    ) -> dict[Level, NDArray[np.float32]]:
        self.counts["early"] += len(frames)
        images = np.pad(normalised(frames, CARD), ((0, 0), (0, 0), (1, 1), (1, 1)))
        patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (2, 3))
        rows = patches[:, :, ::8, ::8].transpose(0, 2, 3, 1, 4, 5)  # (n h w 3 3 3)
        shallow = (rows.reshape(*rows.shape[:3], 27) @ self.first).transpose(0, 3, 1, 2)
        middle = shallow[..., ::2, ::2]
        found: dict[Level, NDArray[np.float32]] = {"shallow": shallow, "middle": middle}
        if {"maps", "vectors"} & set(levels):
            self.counts["late"] += len(frames)
            deep = middle[..., ::2, ::2]
            maps = (self.second @ deep.reshape(len(deep), 4, -1)).reshape(-1, 6, *deep.shape[2:])
            found |= {"maps": maps, "vectors": maps.mean((2, 3))}
        return {level: np.ascontiguousarray(found[level]) for level in levels}


@pytest.fixture
def tiny() -> Backbone:
    return Backbone(CARD, TinyEngine())


@pytest.fixture
def runs(tiny: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Numbers of frames and of levels of each run of the network, as they happen."""
    found: list[tuple[int, int]] = []
    features = tiny.features

    def counted(frames: NDArray[np.uint8], levels: Collection[Level]) -> dict[Level, NDArray[Any]]:
        found.append((len(frames), len(levels)))
        return features(frames, levels)

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
