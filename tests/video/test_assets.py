"""Real files from cameras, data sets, browsers and the internet."""

import csv
import struct
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError

from fewact.core.errors import VideoError
from fewact.video import Dense, EveryNth, Segments, VideoWarning, probe, read_frames
from fewact.video.recording import open_recording
from tests.refused import refused

# Name: frames, frames per second, width and height as shown, degrees, codec.
INTACT: dict[str, tuple[int, float, int, int, int, str]] = {
    "av1_video.mkv": (125, 25, 640, 360, 0, "av1"),
    "big_buck_bunny_432_433.webm": (24, 24, 1280, 720, 0, "vp8"),
    "dark_Turn_1_1.mp4": (36, 30, 320, 240, 0, "h264"),
    "flipping_a_pancake.mkv": (310, 30, 426, 240, 0, "h264"),
    "h264_10bits.mp4": (30, 30, 200, 200, 0, "h264"),
    "h265_video.mp4": (10, 10, 128, 128, 0, "hevc"),
    "kinetics_tai_chi.mp4": (300, 30000 / 1001, 340, 256, 0, "h264"),
    "newtonscradle.gif": (36, 36 / 0.82, 200, 150, 0, "gif"),
    "one_frame.mp4": (1, 15, 192, 144, 0, "h264"),
    "rotate_0.mov": (3, 30, 568, 320, 0, "h264"),
    "rotate_90.mov": (3, 30, 320, 568, 90, "h264"),
    "smallest.webm": (1, 25, 8, 8, 0, "vp8"),
    "ucf101_v_ApplyEyeMakeup_g01_c01.avi": (164, 25, 320, 240, 0, "mpeg4"),
    "ucf101_v_HorseRace_g04_c03.avi": (78, 30000 / 1001, 320, 240, 0, "mpeg4"),
    "ucf11_v_biking_01_01.mpg": (151, 30000 / 1001, 320, 240, 0, "mpeg1video"),
    "utd_a4_s1_t1_color.avi": (42, 15, 640, 480, 0, "mjpeg"),
    "video2.avi": (120, 25, 320, 240, 0, "mpeg4"),
    "video2.webm": (120, 25, 320, 240, 0, "vp8"),
}
LONG = {
    "av1_video.mkv",
    "big_buck_bunny_432_433.webm",
    "flipping_a_pancake.mkv",
    "kinetics_tai_chi.mp4",
    "video2.webm",
}
REFUSED = {
    "audio_only.m4a": "no video stream",
    "not_a_video.mp4": "is not a video",
    "smallest.avi": "holds no frame",
    "smallest.mp4": "no video stream",
    "truncated.mp4": "cut off before its index",
    "zero_bytes.webm": "the file is empty",
}
DAMAGED = {"corrupted.mp4": 50}

pytestmark = pytest.mark.assets


def decode_naively(path: Path) -> list[np.ndarray]:
    """Return all frames in the decoder's order: no seeking, no skipping, no time stamps."""
    frames = []
    with av.open(str(path)) as opened:
        opened.streams.video[0].thread_type = "NONE"
        for packet in opened.demux(opened.streams.video[0]):
            try:
                decoded = packet.decode()
            except FFmpegError:
                continue
            frames += [np.rot90(f.to_ndarray(format="rgb24"), f.rotation // 90) for f in decoded]
    return frames


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in INTACT],
)
def test_intact_files(assets: Path, name: str) -> None:
    path = assets / "clips" / "formats" / name
    frames, fps, width, height, rotation, codec = INTACT[name]
    info = probe(path)
    assert (info.frames, info.width, info.height) == (frames, width, height)
    assert (info.rotation, info.codec) == (rotation, codec)
    assert info.fps == pytest.approx(fps, rel=1e-6)
    assert info.duration == pytest.approx(frames / fps, rel=1e-6)
    naive = decode_naively(path)
    assert len(naive) == frames
    step = 1 + frames * width * height // 5_000_000
    np.testing.assert_array_equal(read_frames(path, EveryNth(step)), naive[::step])
    # A single window decodes fewer of the frames before it.
    start = max((frames - 3) // 2, 0)
    dense = [naive[min(start + k, frames - 1)] for k in range(3)]
    np.testing.assert_array_equal(read_frames(path, Dense(3)), dense)
    if name == "newtonscradle.gif":  # its frames last 2 to 5 hundredths each
        return
    expected = [naive[(2 * k + 1) * frames // 16] for k in range(8)]
    np.testing.assert_array_equal(read_frames(path, Segments(8)), expected)
    begin = int(frames * 0.7)
    got = read_frames(path, EveryNth(1, limit=2), start=begin / fps, end=(begin + 2) / fps)
    np.testing.assert_array_equal(got, naive[begin : begin + 2])


@pytest.mark.parametrize("name", INTACT)
def test_each_frame_of_an_intact_recording_is_read(assets: Path, name: str) -> None:
    """Also of AVI with reordered frames, which stores no presentation times."""
    count, fps, *_ = INTACT[name]
    with open_recording(assets / "clips" / "formats" / name) as recording:
        times = [time for time, _ in recording.frames()]
    assert (len(times), recording.not_later) == (count, 0)
    if name != "newtonscradle.gif":  # its frames last 2 to 5 hundredths each
        np.testing.assert_allclose(times, np.arange(count) / fps, atol=1.1e-3)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_copies_of_avi_show_the_frames_of_the_original(
    assets: Path, clip: Any, extension: str
) -> None:
    """Xvid's packed bitstream; Matroska can store it as AVI does, without presentation times."""
    source = assets / "clips" / "formats" / "ucf101_v_ApplyEyeMakeup_g01_c01.avi"
    bitmap = struct.pack("<IiiHH4s5I", 40, 320, 240, 1, 24, b"XVID", 320 * 240 * 3, 0, 0, 0, 0)
    private = bitmap if extension == "mkv" else None
    path = clip.in_decoding_order(source, f"packed.{extension}", private)
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/ASP", b"V_MS/VFW/FOURCC"))
    frames = read_frames(source, EveryNth(7))
    np.testing.assert_array_equal(read_frames(path, EveryNth(7)), frames)
    with open_recording(path) as recording:
        times = [time for time, _ in recording.frames()]
    assert recording.not_later == 0
    np.testing.assert_allclose(times, np.arange(len(times)) / 25, atol=1.1e-3)
    assert len(times) == 164


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files(assets: Path, name: str, capfd: Any) -> None:
    for read in (probe, lambda path: read_frames(path, Segments(8))):
        with refused(VideoError, where=name, reason=REFUSED[name]):
            read(assets / "clips" / "formats" / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(assets: Path, name: str) -> None:
    path = assets / "clips" / "formats" / name
    naive = decode_naively(path)
    with pytest.warns(VideoWarning, match=rf"{name}.*1 frame is replaced"):
        # Pixels of damaged frames depend on the number of threads.
        frames = read_frames(path, EveryNth(1), threads=1)
    assert len(frames) == DAMAGED[name] == len(naive) + 1
    for k, image in enumerate(naive):
        assert np.array_equal(image, frames[k]) or np.array_equal(image, frames[k + 1])


def test_every_file_is_listed(assets: Path) -> None:
    names = {path.name for path in (assets / "clips" / "formats").iterdir()}
    assert names == {*INTACT, *REFUSED, *DAMAGED}


@pytest.mark.slow
def test_real_clips(assets: Path) -> None:
    with (assets / "clips" / "index.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) > 900
    for row in rows[:: len(rows) // 20][:20]:
        path = assets / "clips" / row["path"].removeprefix("clips/")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            info = probe(path)
            frames = read_frames(path, Segments(8))
        assert info.frames == int(row["frames"])
        assert info.fps == pytest.approx(float(row["fps"]), rel=1e-3)
        assert (info.width, info.height) == (int(row["width"]), int(row["height"]))
        naive = decode_naively(path)
        expected = [naive[(2 * k + 1) * len(naive) // 16] for k in range(8)]
        np.testing.assert_array_equal(frames, expected)
