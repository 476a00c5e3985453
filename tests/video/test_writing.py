import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.core.errors import OptionError, OutputError, ShapeError, VideoError
from fewact.synthetic import motions
from fewact.video import EveryNth, probe, read_frames, write_video
from fewact.video.writing import timed_video
from tests.refused import refused

Numbers = Callable[[Any], list[int]]
Draw = Callable[..., np.ndarray]


@pytest.fixture
def frames(draw: Draw) -> np.ndarray:
    return np.stack([draw(k) for k in range(20)])


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mp4", "libx265"),
        ("a.mp4", "mpeg4"),
        ("a.mov", "libx264"),
        ("a.mkv", "ffv1"),
        ("a.webm", "libvpx-vp9"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.avi", "mjpeg"),
        ("a.MP4", "libx264"),
        ("a.gif", "gif"),
    ],
)
def test_written_frames_are_read_back(
    tmp_path: Path, frames: np.ndarray, numbers: Numbers, name: str, codec: str
) -> None:
    path = write_video(tmp_path / name, frames, 10, codec)
    assert path == tmp_path / name
    read = read_frames(path, EveryNth(1))
    assert numbers(read) == list(range(20))
    assert probe(path).fps == pytest.approx(10)
    assert np.abs(read.astype(int) - frames).mean() < (40 if codec == "gif" else 6)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    benchmark = motions(videos=1, frames=48, size=96)
    frames = benchmark.render(benchmark.videos.videos[0].id, range(0, 48, 6))
    memory, files = np.random.default_rng(0), set()
    for k in range(12):
        junk = [memory.integers(0, 256, n).astype(np.uint8) for n in (9216, 13824, 1 << 18) * 8]
        del junk  # memory that the encoder gets next
        path = write_video(tmp_path / "a.mp4", frames, 4, overwrite=k > 0)
        files.add(path.read_bytes())
    assert len(files) == 1


@pytest.mark.parametrize("fps", [1, 12.5, 24000 / 1001, 29.97, 60, 240])
def test_frame_rates(tmp_path: Path, frames: np.ndarray, fps: float) -> None:
    info = probe(write_video(str(tmp_path / "a.mp4"), frames, fps))
    assert info.fps == pytest.approx(fps, rel=1e-4)
    assert info.frames == 20


@pytest.mark.parametrize("size", [(97, 64), (96, 65), (1, 1), (33, 101)])
def test_odd_sizes_are_made_even(tmp_path: Path, size: tuple[int, int]) -> None:
    images = np.full((3, *size, 3), 77, np.uint8)
    read = read_frames(write_video(tmp_path / "a.mp4", images, 5), EveryNth(1))
    assert read.shape == (3, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    np.testing.assert_allclose(read, 77, atol=4)


def test_frames_may_be_an_iterator(tmp_path: Path, draw: Draw, numbers: Numbers) -> None:
    path = write_video(tmp_path / "a.mp4", (draw(k) for k in range(30)), 30)
    assert numbers(read_frames(path, EveryNth(1))) == list(range(30))


def test_files_are_overwritten_only_on_request(
    tmp_path: Path, frames: np.ndarray, numbers: Numbers
) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("mine")
    with refused(VideoError, path=path, hint="overwrite"):
        write_video(path, frames, 10)
    assert path.read_text() == "mine"
    write_video(path, frames, 10, overwrite=True)
    assert numbers(read_frames(path, EveryNth(10))) == [0, 10]


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("mine")

    def interrupted() -> Iterator[np.ndarray]:
        yield draw(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, interrupted(), 10, overwrite=True)
    assert path.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_errors_of_other_files_are_not_those_of_the_video(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "a.mp4"

    def printed() -> Iterator[np.ndarray]:
        yield draw(0)
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def write_timed() -> None:
        with timed_video(path, 10) as video:
            for image in printed():
                video.write(image, 0)

    with pytest.raises(BrokenPipeError):
        write_video(path, printed(), 10)
    with pytest.raises(BrokenPipeError):
        write_timed()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", ["mux", "close"])
def test_an_error_of_the_encoder_names_the_video(
    tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path, open_container = tmp_path / "a.mp4", av.open

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Container:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._container = open_container(*arguments, **options)

        def __getattr__(self, name: str) -> Any:
            return fail if name == broken else getattr(self._container, name)

    monkeypatch.setattr("av.open", Container)
    with refused(VideoError, path=path, reason="no space"):
        write_video(path, [draw(0)], 10)
    with refused(VideoError, path=path, reason="no space"), timed_video(path, 10) as video:
        video.write(draw(0), 0)
    assert not list(tmp_path.iterdir())


def test_mpeg4_replaces_a_missing_libx264(
    tmp_path: Path, frames: np.ndarray, numbers: Numbers, monkeypatch: Any
) -> None:
    original = av.codec.Codec

    def without(name: str, mode: str) -> Any:
        if name == "libx264":
            raise ValueError(name)
        return original(name, mode)

    monkeypatch.setattr("av.codec.Codec", without)
    path = write_video(tmp_path / "a.mp4", frames, 10)
    assert probe(path).codec == "mpeg4"
    assert numbers(read_frames(path, EveryNth(1))) == list(range(20))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((2, 0, 8, 3), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)],
    ],
    ids=["grey", "alpha", "float", "flat", "none", "sizes"],
)
def test_invalid_frames_are_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ShapeError):
        write_video(tmp_path / "a.mp4", wrong, 10)
    assert not list(tmp_path.iterdir())


def test_invalid_options_are_refused(tmp_path: Path, frames: np.ndarray) -> None:
    for fps in (0, -1, float("nan"), float("inf"), 1e-9, "25", None):
        with refused(OptionError, where="fps"):
            write_video(tmp_path / "a.mp4", frames, fps)
    for codec in ("h265x", "aac"):
        with refused(OptionError, where="codec"):
            write_video(tmp_path / "a.mp4", frames, 10, codec)
    with refused(OptionError, expected=".mp4"):
        write_video(tmp_path / "a.txt", frames, 10)
    with refused(OutputError, where=__file__, what="not a directory"):
        write_video(Path(__file__) / "a.mp4", frames, 10)
    with refused(OptionError, where="codec", what="webm"):
        write_video(tmp_path / "a.webm", frames, 10)
    assert not list(tmp_path.iterdir())
