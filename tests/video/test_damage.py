import errno
import re
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.video import (
    Dense,
    EveryNth,
    Segments,
    VideoWarning,
    collect_warnings,
    index,
    probe,
    read_frames,
)
from fewact.video.index import missing_bytes
from fewact.video.recording import open_recording
from tests.refused import refused

Numbers = Callable[[Any], list[int]]
FASTSTART = {"movflags": "faststart"}
LONG: dict[str, dict[str, Any]] = {
    "long.mp4": {"muxer": FASTSTART},
    "long.mkv": {},
    "long.webm": {"codec": "libvpx-vp9"},
    "long.avi": {"codec": "mpeg4"},
}


def read_all(path: Path) -> tuple[np.ndarray, str]:
    """Return all frames and the text of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frames = read_frames(path, EveryNth(1))
    return frames, "\n".join(str(w.message) for w in caught if w.category is VideoWarning)


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("fraction", [0.3, 0.53, 0.9])
def test_the_rest_of_a_truncated_file_is_read(
    clip: Any, numbers: Numbers, name: str, fraction: float
) -> None:
    intact = clip(name, range(200), **LONG[name])
    path = clip.cut(intact, f"cut_{fraction}_{name}", fraction)
    frames, text = read_all(path)
    shown = numbers(frames)
    assert shown == sorted(shown)
    assert len(set(shown)) > 200 * fraction - 40
    lost = re.search(r"cut short, (\d+) frames are lost", text)
    damaged = 1 if "1 frame is damaged" in text else 0
    assert str(path) in text
    assert lost is not None
    assert len(shown) + int(lost[1]) + damaged == 200
    with pytest.warns(VideoWarning, match="cut short"):
        assert probe(path).frames == len(shown)


def test_a_file_without_its_index_is_refused(clip: Any) -> None:
    path = clip.cut(clip("h264.mp4"), "no_index.mp4", 0.6)
    with refused(VideoError, path=path, reason="cut off"):
        read_frames(path, Segments(8))


def test_a_segment_before_the_cut_is_read_and_one_after_it_is_refused(
    clip: Any, numbers: Numbers
) -> None:
    intact = clip("long.mp4", range(200), muxer=FASTSTART)
    path = clip.cut(intact, "cut_segment.mp4", 0.53)
    with pytest.warns(VideoWarning, match="cut short"):
        assert numbers(read_frames(path, EveryNth(1), start=1, end=1.5)) == list(range(30, 45))
    with pytest.warns(VideoWarning, match="cut short"):
        left = probe(path).frames / 30  # How many frames fit depends on the encoder.
    assert 2 < left < 4
    with refused(VideoError, path=path, reason="from 5 s", expected=f"{left:.3f} s"):
        read_frames(path, EveryNth(1), start=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_give_frames_or_one_clean_error(clip: Any, name: str, seed: int) -> None:
    data = bytearray(clip(name, range(200), **LONG[name]).read_bytes())
    random = np.random.default_rng(seed)
    for position in random.integers(6000, len(data) - 6000, 30):
        data[position] ^= int(random.integers(1, 255))
    path = clip.write(f"flipped_{seed}_{name}", bytes(data))
    try:
        frames, text = read_all(path)
    except VideoError:
        return
    assert frames.shape[1:] == (64, 96, 3)
    if name == "long.mp4":  # its table of frames is intact
        assert len(frames) == 200
        assert "damaged" in text


def test_warnings_point_to_the_callers_line_or_are_collected(clip: Any) -> None:
    path = clip.cut(clip("long.avi", range(200), **LONG["long.avi"]), "cut_warned.avi", 0.5)
    for read in (probe, lambda p: read_frames(p, Dense(2))):
        with pytest.warns(VideoWarning) as caught:
            read(path)
        assert [warning.filename for warning in caught] == [__file__]
        with collect_warnings() as texts:
            read(path)
        assert texts == [str(caught[0].message)]
    with collect_warnings() as texts, ThreadPoolExecutor(1) as pool:
        # Warnings of another thread are not collected.
        with pytest.warns(VideoWarning):
            pool.submit(probe, path).result()
        assert texts == []


def test_frames_that_do_not_decode_are_replaced_by_the_nearest(clip: Any, numbers: Numbers) -> None:
    import av

    intact = clip("mjpeg_200.avi", range(200), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(intact.read_bytes())
    with av.open(str(intact)) as video:
        packets = [p for p in video.demux(video.streams.video[0]) if p.size]
    # Each packet of motion JPEG is a frame; without its headers it does not decode.
    for k in [50, 51, 52, 199]:
        begin = data.find(bytes(packets[k]))
        data[begin : begin + packets[k].size] = bytes(packets[k].size)
    path = clip.write("holes.avi", bytes(data))
    frames, text = read_all(path)
    expected = list(range(200))
    expected[50], expected[51], expected[52], expected[199] = 49, 49, 53, 198
    assert numbers(frames) == expected
    assert "4 frames are damaged; 4 frames are replaced by the nearest" in text
    with pytest.warns(VideoWarning, match="1 frame is damaged; 1 frame is replaced"):
        assert numbers(read_frames(path, lambda t: np.array([52, 52, 60]))) == [53, 53, 60]


def test_a_file_without_a_decodable_frame_is_refused(clip: Any) -> None:
    import av

    intact = clip("h264_zeros.mkv", range(20), gop=100)
    data = bytearray(intact.read_bytes())
    with av.open(str(intact)) as video:
        for packet in video.demux(video.streams.video[0]):
            begin = data.find(bytes(packet)) if packet.size else -1
            if begin >= 0:
                data[begin : begin + packet.size] = bytes([255]) * packet.size
    path = clip.write("nothing.mkv", bytes(data))
    for read in (probe, lambda p: read_frames(p, Dense(4))):
        with refused(VideoError, path=path, reason="decoded"):
            read(path)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "avi", "flv", "gif"])
def test_missing_bytes_are_the_bytes_cut_off(clip: Any, extension: str) -> None:
    codec = {"webm": "libvpx-vp9", "gif": "gif", "avi": "mpeg4"}.get(extension, "libx264")
    pixels = "rgb8" if extension == "gif" else "yuv420p"
    intact = clip(f"sized.{extension}", codec=codec, pixels=pixels)
    assert missing_bytes(intact) == 0
    assert missing_bytes(clip.write(f"padded.{extension}", intact.read_bytes() + bytes(99))) == 0
    for fraction in (0.1, 0.5, 0.99):
        path = clip.cut(intact, f"sized_cut.{extension}", fraction)
        missing = 0 if extension in ("flv", "gif") else intact.stat().st_size - path.stat().st_size
        # An MP4 cut at the end of a box looks complete up to there.
        assert missing_bytes(path) in (
            {missing} if extension not in ("mp4", "mov") else range(1, missing + 1)
        )


def test_a_file_that_the_disk_cannot_read_is_refused(clip: Any, monkeypatch: Any) -> None:
    path = clip("intact.mp4")

    def fail(head: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(index, "_size_reader", fail)
    with refused(VideoError, path=path, reason="input/output error"):
        read_frames(path, Segments(8))


def test_boxes_of_more_than_four_gigabytes_have_long_sizes(clip: Any) -> None:
    head = (16).to_bytes(4) + b"ftypisom" + bytes(4)
    media = (1).to_bytes(4) + b"mdat" + (116).to_bytes(8) + bytes(100)
    assert missing_bytes(clip.write("long_box.mp4", head + media)) == 0
    assert missing_bytes(clip.write("long_box.mp4", head + media[:-10])) == 10


@pytest.mark.slow
def test_containers_without_a_size_have_no_missing_bytes(clip: Any) -> None:
    live = clip("live_sized.webm", codec="libvpx", muxer={"live": "1"})
    assert missing_bytes(clip.cut(live, "live_cut.webm", 0.5)) == 0
    assert missing_bytes(clip.write("short.mkv", bytes.fromhex("1a45dfa3"))) == 0
    assert missing_bytes(clip.write("text.mp4", b"just some text")) == 0


def test_frames_lost_at_a_variable_rate_are_not_guessed(clip: Any) -> None:
    times = [*range(0, 3000, 100), *range(3000, 60_000, 1900)]  # 10 frames a second, then 1 in 2 s
    path = clip("paused.mkv", range(60), fps=10, times=times, unit=Fraction(1, 1000))
    cut = clip.cut(path, "paused_cut.mkv", 0.8)
    assert missing_bytes(cut) > 0
    frames, text = read_all(cut)
    assert 40 <= len(frames) < 60
    assert "the file is cut short" in text
    assert "lost" not in text
    with open_recording(cut) as recording:
        assert 40 <= len(list(recording.frames())) < 60
    assert recording.damage.missing == -1


def test_avi_of_a_pipe_has_no_size(clip: Any, tmp_path: Path) -> None:
    content = bytearray(clip("for_pipe.avi", codec="mpeg4").read_bytes())
    content[4:8] = b"\xff" * 4
    path = tmp_path / "piped.avi"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
    frames, text = read_all(path)
    assert (len(frames), text) == (60, "")
