"""Large files are read only in part. The tests treat small files as large ones."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.core.errors import VideoError
from fewact.video import Dense, EveryNth, Segments, VideoWarning, probe, read_frames
from fewact.video import decoding as decoding_module
from fewact.video import index as index_module
from tests.refused import refused

Numbers = Callable[[Any], list[int]]
STEPS = np.random.default_rng(1).integers(15, 80, 599)
LONG: dict[str, dict[str, Any]] = {
    "long600.mp4": {},
    "long600_open.mp4": {"options": {"x264-params": "open-gop=1"}},
    "long600_short_gop.mp4": {"gop": 2},
    "long600.mkv": {},
    "long600.flv": {},
    "long600.ts": {"container": "mpegts"},
    "long600.webm": {"codec": "libvpx-vp9"},
    "long600.avi": {"codec": "mpeg4"},
    "long600_b.avi": {"codec": "mpeg4", "b_frames": 2},
    "long600_palette.avi": {"codec": "rawvideo", "pixels": "pal8"},
    "long600_palette.mov": {"codec": "smc", "pixels": "pal8"},
    "long600.mpg": {"codec": "mpeg2video", "b_frames": 2},
    "long600_fragments.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "long600_variable.mp4": {
        "times": np.concatenate([[0], np.cumsum(STEPS)]).tolist(),
        "unit": Fraction(1, 1000),
    },
}


@pytest.fixture
def large(monkeypatch: Any) -> None:
    """Treat every file as large."""
    monkeypatch.setattr(index_module, "_LARGE", 0)


@pytest.fixture
def read_packets(monkeypatch: Any) -> list[int]:
    """Record the sizes of the packets that are read."""
    sizes: list[int] = []
    original = index_module.packets

    def record(video: Any) -> Iterator[Any]:
        for packet in original(video):
            sizes.append(packet.size)
            yield packet

    monkeypatch.setattr(index_module, "packets", record)
    monkeypatch.setattr(decoding_module, "packets", record)
    return sizes


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_large_and_small_files_give_the_same_frames(
    clip: Any, monkeypatch: Any, numbers: Numbers, name: str
) -> None:
    path = clip(name, range(600), **LONG[name])

    def read_everything() -> list[Any]:
        return [
            probe(path),
            numbers(read_frames(path, Segments(8))),
            numbers(read_frames(path, EveryNth(83))),
            numbers(read_frames(path, EveryNth(1), start=7.3, end=8.1)),
            numbers(read_frames(path, Segments(8), start=11)),
            numbers(read_frames(path, Dense(4), end=0.5)),
            numbers(read_frames(path, Segments(5, seed=2), start=3.3333, end=15.01)),
        ]

    small = read_everything()
    assert small[0].frames == 600
    monkeypatch.setattr(index_module, "_LARGE", 0)
    assert read_everything() == small


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", ["long600.mp4", "long600.mkv", "long600.webm", "long600.flv"])
def test_a_segment_needs_few_other_packets(
    clip: Any, numbers: Numbers, read_packets: list[int], name: str
) -> None:
    path = clip(name, range(600), **LONG[name])
    assert numbers(read_frames(path, EveryNth(1), start=15, end=15.5)) == list(range(450, 465))
    # The first packets, those from the key frame to well past the end, and again to decode.
    assert len(read_packets) < 32 + 2 * (20 + 15 + 32) + 140 * (name == "long600.webm")


@pytest.mark.usefixtures("large")
def test_an_mp4_is_indexed_by_its_own_table(
    clip: Any, numbers: Numbers, read_packets: list[int]
) -> None:
    path = clip("long600.mp4", range(600))
    assert probe(path).frames == 600
    assert len(read_packets) < 100
    assert numbers(read_frames(path, lambda timeline: np.array([599]))) == [599]


@pytest.mark.usefixtures("large")
def test_inconclusive_tables_are_not_used(
    clip: Any, numbers: Numbers, read_packets: list[int]
) -> None:
    path = clip("long600_variable.mp4", range(600), **LONG["long600_variable.mp4"])
    assert probe(path).frames == 600
    assert len(read_packets) > 600
    edited = clip.copy_stream(clip("long600.mp4", range(600)), "edited600.mp4", start=0.9)
    assert numbers(read_frames(edited, EveryNth(100))) == [27, 127, 227, 327, 427, 527]
    assert numbers(read_frames(edited, Dense(3), start=0.5, end=0.6)) == [42, 43, 44]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("odd", [range(5, 12), range(590, 599)], ids=["first", "last"])
def test_tables_of_files_with_jitter_are_not_used(
    clip: Any, numbers: Numbers, read_packets: list[int], odd: range
) -> None:
    path = clip.folder / f"jitter{odd.start}.mp4"
    with av.open(str(clip("plain600.mp4", range(600), b_frames=0))) as original:
        stream = original.streams.video[0]
        step = int(1 / (30 * stream.time_base))
        with av.open(str(path), "w") as output:
            copied = output.add_stream_from_template(stream)
            for packet in original.demux(stream):
                if packet.dts is not None:
                    late = step // 3 if packet.dts // step in odd else 0
                    packet.pts, packet.stream = packet.dts + late, copied
                    output.mux(packet)
    assert numbers(read_frames(path, EveryNth(99))) == list(range(0, 600, 99))
    assert numbers(read_frames(path, EveryNth(1)))[odd.start] == odd.start
    assert len(read_packets) > 600


@pytest.mark.usefixtures("large")
def test_large_files_that_are_cut_short(clip: Any, numbers: Numbers) -> None:
    intact = clip("long600_fast.mp4", range(600), muxer={"movflags": "faststart"})
    path = clip.cut(intact, "cut600.mp4", 0.5)
    with pytest.warns(VideoWarning, match="cut short"):
        frames = probe(path).frames
    assert frames < 400
    assert numbers(read_frames(path, Dense(3), start=1, end=1.1)) == [30, 31, 32]
    with pytest.warns(VideoWarning, match="cut short"):
        assert numbers(read_frames(path, EveryNth(1, limit=2), start=1)) == [30, 31]
    with refused(VideoError, path=path, reason="19 s"):
        read_frames(path, Dense(3), start=19)


def test_a_segment_of_a_single_gop(clip: Any, numbers: Numbers, large: None) -> None:
    path = clip("one_gop.mkv", range(200), gop=500)
    assert numbers(read_frames(path, EveryNth(1), start=5, end=5.2)) == list(range(150, 156))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("no_keys.3gp", {"codec": "h263", "size": (176, 144)}),
        ("no_keys.mov", {"codec": "mpeg4", "b_frames": 2}),
        ("no_keys.mp4", {"codec": "libx265"}),
        ("no_keys_qtrle.mov", {"codec": "qtrle", "pixels": "rgb24"}),
    ],
)
def test_a_file_without_a_table_of_key_frames_is_read_in_one_pass(
    clip: Any, numbers: Numbers, name: str, settings: dict[str, Any]
) -> None:
    """Without the table, all frames are key frames; these files have others, too."""
    intact = clip(f"with_{name}", range(100), **settings)
    path = clip.write(name, intact.read_bytes().replace(b"stss", b"free"))
    for wanted in ([70], [30, 70, 99]):
        assert numbers(read_frames(path, lambda t, w=wanted: np.array(w))) == wanted


def test_restarts_of_damaged_times_are_not_joined(clip: Any, monkeypatch: Any) -> None:
    """Parts one after the other would have times of more than 64 bits."""
    path = clip("long600.mkv", range(600))
    original = index_module._read

    def damaged(*arguments: Any) -> Any:
        facts, ended = original(*arguments)
        facts.pts[20:40] = [2**62 + pts for pts in facts.pts[20:40]]
        facts.pts[60:80] = [2**62 + pts for pts in facts.pts[60:80]]
        return facts, ended

    monkeypatch.setattr(index_module, "_read", damaged)
    index = index_module.index_file(path)
    assert (np.diff(index.pts) >= 0).all()
    assert not index.counted


def test_failed_seeks_fall_back_to_one_pass(clip: Any, numbers: Numbers, monkeypatch: Any) -> None:
    monkeypatch.setattr(decoding_module, "seek", lambda video, pts: None)
    path = clip("long600.mp4", range(600))
    assert numbers(read_frames(path, EveryNth(111))) == [0, 111, 222, 333, 444, 555]


def test_decoding_jumps_over_frames_that_are_not_requested(
    clip: Any, numbers: Numbers, read_packets: list[int]
) -> None:
    path: Path = clip("long600.mp4", range(600))
    index_module.index_file(path)
    scanned = len(read_packets)
    assert scanned == 600
    assert numbers(read_frames(path, Segments(3))) == [100, 300, 500]
    assert len(read_packets) - 2 * scanned < 3 * 30


def test_frames_that_no_other_frame_needs_are_not_decoded(
    clip: Any, numbers: Numbers, monkeypatch: Any
) -> None:
    decoded: list[int] = []
    original = decoding_module._find_positions

    def record(index: Any, frames: Any) -> Iterator[Any]:
        for indexed in original(index, frames):
            decoded.append(indexed[0])
            yield indexed

    monkeypatch.setattr(decoding_module, "_find_positions", record)
    motion_jpeg = clip("lone.avi", codec="mjpeg", pixels="yuvj420p")
    assert numbers(read_frames(motion_jpeg, EveryNth(15))) == [0, 15, 30, 45]
    assert decoded == [0, 15, 30, 45]
    decoded.clear()
    assert numbers(read_frames(clip("h264_long_gop.mp4", gop=250), EveryNth(25))) == [0, 25, 50]
    assert {0, 25, 50} < set(decoded)
    assert len(decoded) < 40
