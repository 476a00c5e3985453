import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from fewact.core.errors import OptionError, VideoError
from fewact.video import Dense, EveryNth, Segments, VideoWarning, probe, read_frames
from tests.refused import refused

Numbers = Callable[[Any], list[int]]
Draw = Callable[..., np.ndarray]
CODECS = {"jpg": ("mjpeg", "yuvj444p"), "png": ("png", "rgb24"), "bmp": ("bmp", "bgr24")}


def save(path: Path, image: np.ndarray, extension: str | None = None) -> None:
    codec, pixels = CODECS[extension or path.suffix[1:].lower().replace("jpeg", "jpg")]
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width, _ = image.shape
    encoder.pix_fmt, encoder.time_base = pixels, 1
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
    data = [bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]]
    path.write_bytes(b"".join(data))


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    for k in range(12):
        save(tmp_path / f"frame{k + 1}.jpg", draw(k))
    return tmp_path


@pytest.mark.parametrize("extension", ["jpg", "JPG", "jpeg", "png", "PNG", "bmp"])
def test_images_are_in_the_order_of_their_numbers(
    tmp_path: Path, draw: Draw, numbers: Numbers, extension: str
) -> None:
    for k in range(12):
        save(tmp_path / f"frame{k + 1}.{extension}", draw(k))
    assert numbers(read_frames(tmp_path, EveryNth(1))) == list(range(12))
    assert numbers(read_frames(str(tmp_path), Segments(4))) == [1, 4, 7, 10]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_images_with_exif_data_are_read_upright(
    tmp_path: Path, extension: str, orientation: int
) -> None:
    """As every camera and phone writes them; FFmpeg adds side data that PyAV does not know."""
    colors = np.array([[(220, 40, 40), (40, 200, 40)], [(40, 40, 220), (230, 220, 60)]], np.uint8)
    path = tmp_path / f"1.{extension}"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    Image.fromarray(colors.repeat(24, 0).repeat(32, 1)).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    (frame,) = read_frames(tmp_path, EveryNth(1))
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 6  # chroma is interpolated


def test_rate_and_segments(folder: Path, numbers: Numbers) -> None:
    info = probe(folder)
    assert (info.frames, info.fps, info.duration) == (12, 25.0, pytest.approx(0.48))
    assert (info.width, info.height, info.rotation, info.codec) == (96, 64, 0, "jpg")
    assert probe(folder, folder_fps=6).duration == pytest.approx(2.0)
    frames = read_frames(folder, EveryNth(1), start=0.5, end=1.0, folder_fps=6)
    assert numbers(frames) == [3, 4, 5]
    with refused(VideoError, path=folder, expected="0.480 s"):
        read_frames(folder, EveryNth(1), start=1.0)
    for fps in (0, -1.0, float("nan"), "25", None):
        with refused(OptionError, where="folder_fps"):
            probe(folder, folder_fps=fps)


def test_other_files_are_ignored(folder: Path, draw: Draw, numbers: Numbers) -> None:
    (folder / "notes1.txt").write_text("1")
    (folder / "Thumbs.db").write_bytes(b"1")
    (folder / "._frame3.jpg").write_bytes(b"1")
    save(folder / "cover.jpg", draw(99))
    assert numbers(read_frames(folder, EveryNth(1))) == list(range(12))


def test_other_sizes_are_scaled_to_the_first(folder: Path, draw: Draw, numbers: Numbers) -> None:
    save(folder / "frame5.jpg", draw(4, 192, 128))
    frames = read_frames(folder, Dense(3), start=0.1)
    assert frames.shape == (3, 64, 96, 3)
    save(folder / "frame2.jpg", draw(1, 192, 128))
    assert read_frames(folder, lambda t: np.array([1])).shape == (1, 64, 96, 3)
    assert numbers(read_frames(folder, EveryNth(1))) == list(range(12))


def test_damaged_images_are_replaced(folder: Path, draw: Draw, numbers: Numbers) -> None:
    (folder / "frame1.jpg").write_bytes(b"")
    (folder / "frame6.jpg").write_bytes(b"no image")
    (folder / "frame7.jpg").unlink()
    (folder / "frame7.jpg").symlink_to("gone.jpg")
    with pytest.warns(VideoWarning, match="3 frames are replaced by the nearest") as caught:
        frames = read_frames(folder, EveryNth(1))
    assert len(caught) == 1
    assert numbers(frames) == [1, 1, 2, 3, 4, 4, 7, 7, 8, 9, 10, 11]
    with pytest.warns(VideoWarning, match="1 frame is replaced"):
        assert probe(folder).frames == 12
    assert numbers(read_frames(folder, lambda t: np.array([8, 3]))) == [8, 3]


def test_a_folder_of_damaged_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    with refused(VideoError, path=tmp_path, reason="decoded"):
        probe(tmp_path)


def test_folders_without_images_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "1.txt").write_text("1")
    with refused(VideoError, path=tmp_path, reason="images", expected="a video file"):
        read_frames(tmp_path, Segments(8))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with refused(VideoError, path=tmp_path, reason="permission denied"):
        read_frames(tmp_path, Segments(8))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_among_the_images_is_replaced(folder: Path, numbers: Numbers) -> None:
    (folder / "frame6.jpg").unlink()
    os.mkfifo(folder / "frame6.jpg")
    with pytest.warns(VideoWarning, match="1 frame is replaced by the nearest"):
        found = numbers(read_frames(folder, EveryNth(1)))
    assert found == [0, 1, 2, 3, 4, 4, *range(6, 12)]
