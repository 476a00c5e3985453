import struct
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact.core.errors import DataError, OptionError, ShapeError, VideoError
from fewact.data import Clip
from fewact.video import (
    BlockCentres,
    Dense,
    EveryNth,
    PerrettTest,
    PerrettTrain,
    Segments,
    Timeline,
    VideoWarning,
    Window,
    decoding,
    index,
    probe,
    read_frame_sets,
    read_frames,
    write_video,
)
from fewact.video.recording import open_recording
from tests.refused import refused
from tests.video.conftest import recorded

VARIABLE = np.concatenate([[0], np.cumsum(np.random.default_rng(0).integers(12, 90, 59))]).tolist()

# Name, and the differences from 60 frames of H.264 with B-frames at 30 fps.
CLIPS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "h264_long_gop.mp4": {"gop": 250},
    "h264_open_gop.mp4": {"options": {"x264-params": "open-gop=1"}, "gop": 10},
    "h264_all_key.mp4": {"gop": 1},
    "h264_refresh.mp4": {"options": {"x264-params": "intra-refresh=1"}},
    "h264_no_b.mp4": {"b_frames": 0},
    "h264_10_bit.mp4": {"pixels": "yuv420p10le"},
    "h264.mov": {},
    "h264.mkv": {},
    "h264.flv": {},
    "h264.avi": {},
    "h264.ts": {"container": "mpegts"},
    "h264.h264": {},
    "h264_fragments.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "h264_first_later.mp4": {"times": [30 + k for k in range(60)], "unit": Fraction(1, 30)},
    "ntsc.mkv": {"fps": 30000 / 1001},
    "film.webm": {"codec": "libvpx-vp9", "fps": 24000 / 1001},
    "hevc.mp4": {"codec": "libx265"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "vp8.webm": {"codec": "libvpx"},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4_b.avi": {"codec": "mpeg4", "b_frames": 2},
    "mpeg4_b.mp4": {"codec": "mpeg4", "b_frames": 2},
    "mpeg2.mpg": {"codec": "mpeg2video", "b_frames": 2},
    "mpeg2_repeats_a_time.mpg": {"codec": "mpeg2video", "b_frames": 2, "gop": 15},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "palette.avi": {"codec": "rawvideo", "pixels": "pal8"},
    "palette.mov": {"codec": "smc", "pixels": "pal8"},
    "ffv1_alpha.mkv": {"codec": "ffv1", "pixels": "bgra"},
    "odd.mkv": {"codec": "ffv1", "pixels": "yuv420p", "size": (123, 77)},
    "odd.webm": {"codec": "libvpx-vp9", "size": (101, 67)},
    "moving.gif": {"codec": "gif", "pixels": "rgb8", "fps": 10},
    "variable.mp4": {"times": VARIABLE, "unit": Fraction(1, 1000)},
    "variable.mkv": {"times": VARIABLE, "unit": Fraction(1, 1000)},
    "variable.webm": {"codec": "libvpx-vp9", "times": VARIABLE, "unit": Fraction(1, 1000)},
    "live.webm": {"codec": "libvpx", "muxer": {"live": "1"}, "times": VARIABLE,
                  "unit": Fraction(1, 1000)},
}  # fmt: skip
CONSTANT = [name for name in CLIPS if "variable" not in name and "live" not in name]

Numbers = Callable[[Any], list[int]]


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_is_read_at_its_position(clip: Any, numbers: Numbers, name: str) -> None:
    path = clip(name, **CLIPS[name])
    assert numbers(read_frames(path, EveryNth(1))) == list(range(60))
    # A single frame needs its key frame; frames in between are skipped.
    for number in (0, 1, 9, 10, 11, 37, 41, 58, 59):
        assert numbers(read_frames(path, lambda t, k=number: np.array([k]))) == [number]


@pytest.mark.parametrize(
    "name",
    [
        "h264.mp4", "h264_refresh.mp4", "h264_open_gop.mp4", "h264.h264", "h264.avi", "h264.ts",
        "mpeg2_repeats_a_time.mpg", "palette.avi", "vp9.webm", "variable.mkv",
    ],
)  # fmt: skip
def test_every_sampler_gets_the_frames_it_chose(clip: Any, numbers: Numbers, name: str) -> None:
    path = clip(name, **CLIPS[name])
    chosen: list[list[int]] = []

    def record(sampler: Any) -> Callable[[Timeline], np.ndarray]:
        def choose(timeline: Timeline) -> np.ndarray:
            indices = sampler(timeline)
            chosen.append(indices.tolist())
            return indices

        return choose

    samplers = [
        Segments(8), Segments(8, seed=3), Segments(100), Dense(16), Dense(16, 2, seed=1),
        EveryNth(7), PerrettTest(8), PerrettTrain(8, seed=5), BlockCentres(8), Window(8, rate=5),
    ]  # fmt: skip
    sets = read_frame_sets(path, [record(sampler) for sampler in samplers])
    assert [numbers(frames) for frames in sets] == chosen
    for sampler, together in zip(samplers[:4], sets, strict=False):
        np.testing.assert_array_equal(read_frames(path, sampler), together)


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_rates_are_exact(clip: Any, name: str) -> None:
    path = clip(name, **CLIPS[name])
    fps = CLIPS[name].get("fps", 30)
    info = probe(path)
    assert info.frames == 60
    assert info.fps == pytest.approx(fps, rel=1e-9)
    assert info.duration == pytest.approx(60 / fps, rel=1e-9)
    width, height = CLIPS[name].get("size", (96, 64))
    assert (info.width, info.height, info.rotation) == (width, height, 0)


@pytest.mark.parametrize("name", [name for name in CLIPS if name not in CONSTANT])
def test_variable_rates_are_read_by_time(clip: Any, numbers: Numbers, name: str) -> None:
    path = clip(name, **CLIPS[name])
    info = probe(path)
    assert info.frames == 60
    assert info.duration == pytest.approx(VARIABLE[-1] / 1000, abs=0.1)
    moments = (np.arange(16) + 0.5) * info.duration / 16
    shown = [int(np.searchsorted(VARIABLE, 1000 * moment, side="right")) - 1 for moment in moments]
    assert numbers(read_frames(path, Segments(16))) == shown
    assert shown != [(2 * k + 1) * 60 // 32 for k in range(16)]


@pytest.mark.parametrize(
    "name", [*CONSTANT[:8], "hevc.mp4", "vp9.webm", "mpeg2.mpg", "mpeg4_b.avi"]
)
def test_segments_of_a_video(clip: Any, numbers: Numbers, name: str) -> None:
    path = clip(name, **CLIPS[name])
    every = EveryNth(1)
    assert numbers(read_frames(path, every, start=0.5, end=1.5)) == list(range(15, 45))
    assert numbers(read_frames(path, every, start=1.9)) == [57, 58, 59]
    assert numbers(read_frames(path, every, end=0.1)) == [0, 1, 2]
    assert numbers(read_frames(path, every, start=1.9, end=99)) == [57, 58, 59]
    # Times rounded to milliseconds include no part of a neighbouring frame.
    assert numbers(read_frames(path, every, start=0.033, end=0.067)) == [1]
    assert numbers(read_frames(path, every, start=0.034, end=0.066)) == [1]
    # A frame that is still shown at the start belongs to the segment.
    assert numbers(read_frames(path, every, start=0.51, end=0.52)) == [15]
    assert numbers(read_frames(path, Segments(4), start=1.0, end=2.0)) == [33, 41, 48, 56]


def test_the_timeline_of_a_segment_begins_at_zero(clip: Any) -> None:
    path = clip("h264.mp4")
    timelines: list[Timeline] = []
    read_frames(path, lambda t: timelines.append(t) or np.zeros(1, np.int64), start=0.51, end=1.5)
    timeline = timelines[0]
    assert (timeline.n, timeline.times[0]) == (30, 0.0)
    assert timeline.end == pytest.approx(0.99)
    assert timeline.times[1] == pytest.approx(16 / 30 - 0.51)


@pytest.mark.parametrize(
    ("start", "end", "fields"),
    [
        (2.0, None, {"expected": "2.000 s"}),
        (5.0, 6.0, {"reason": "from 5.0 s to 6.0 s", "expected": "2.000 s"}),
        (1.0, 1.0, {"reason": "after its start"}),
        (1.5, 1.0, {"reason": "after its start"}),
        (-1.0, 1.0, {"reason": "from 0 s up"}),
        (float("nan"), None, {"reason": "finite"}),
        (0.0, float("inf"), {"reason": "finite"}),
        (1.0001, 1.0002, {"reason": "from 1.0001 s"}),
    ],
)
def test_segments_without_a_frame_are_refused(
    clip: Any, start: Any, end: Any, fields: dict[str, str]
) -> None:
    with refused(VideoError, **fields):
        read_frames(clip("h264.mp4"), Segments(8), start=start, end=end)


def test_edit_lists_hide_frames(clip: Any, numbers: Numbers) -> None:
    path = clip.copy_stream(clip("h264.mp4"), "edited.mp4", start=0.9)
    assert numbers(read_frames(path, EveryNth(1))) == list(range(27, 60))
    assert numbers(read_frames(path, Segments(3), start=0.5, end=1.0)) == [44, 49, 54]
    assert probe(path).frames == 33
    # Matroska has no edit lists: the frames back to the key frame are shown, from a time below 0.
    path = clip.copy_stream(clip("h264.mp4"), "copied.mkv", start=0.9)
    assert numbers(read_frames(path, EveryNth(1))) == list(range(20, 60))


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize(
    "name", ["h264.mp4", "h264.mkv", "h264.flv", "h264_no_b.mp4", "hevc.mp4", "mpeg4_b.avi"]
)
def test_copies_with_decoding_times_show_frames_in_the_decoders_order(
    clip: Any, numbers: Numbers, monkeypatch: Any, name: str, large: bool
) -> None:
    """As copies of AVI and of raw streams have them."""
    monkeypatch.setattr(index, "_LARGE", 0 if large else index._LARGE)
    source = clip(name, **CLIPS[name])
    copy = source.suffix.replace(".avi", ".mp4")
    path = clip.in_decoding_order(source, f"{source.stem}_decoding_times{copy}")
    assert numbers(read_frames(path, EveryNth(1))) == list(range(60))
    assert numbers(read_frames(path, Segments(7))) == [4, 12, 21, 30, 38, 47, 55]
    assert numbers(read_frames(path, EveryNth(1), start=0.501, end=1.499)) == list(range(15, 45))
    times, frames = recorded(path)
    assert numbers(frames) == list(range(60))
    np.testing.assert_allclose(times, np.arange(60) / 30, atol=1e-3)


def test_recordings_of_surveillance_cameras(clip: Any, numbers: Numbers) -> None:
    """Dahua's container, for which FFmpeg has no muxer."""
    stored = bytearray()
    with av.open(str(clip("surveillance.h264", b_frames=0))) as raw:
        for count, packet in enumerate(packet for packet in raw.demux(video=0) if packet.size):
            more = struct.pack("<BxxxHH", 0x82, 96, 64) * packet.is_keyframe
            more += struct.pack("<BxBB", 0x81, 8, 30)
            length = 32 + len(more) + packet.size
            stored += struct.pack("<4sBxxx", b"DHAV", 0xFD if packet.is_keyframe else 0xFC)
            date = 20 << 26 | 5 << 22 | 6 << 17 | 10 << 12 | 20 << 6 | count // 30
            stored += struct.pack("<IIIHBx", count, length, date, count * 1000 // 30, len(more))
            stored += more + bytes(packet) + struct.pack("<4sI", b"dhav", length)
    path = clip.write("surveillance.dav", bytes(stored))
    assert numbers(read_frames(path, EveryNth(1))) == list(range(60))
    assert numbers(read_frames(path, EveryNth(1), start=0.5, end=1.5)) == list(range(15, 45))
    info = probe(path)
    assert (info.frames, info.width, info.height, info.codec) == (60, 96, 64, "h264")
    assert info.duration == pytest.approx(59 / 30, abs=2e-3)  # the last frame lasts a millisecond


def test_vp8_frames_that_are_never_shown_do_not_count(clip: Any, numbers: Numbers) -> None:
    source, path = clip("vp8.webm", **CLIPS["vp8.webm"]), clip.folder / "hidden.webm"
    with av.open(str(source)) as original, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(original.streams.video[0])
        for packet in original.demux(original.streams.video[0]):
            if packet.dts is None:
                continue
            data = bytearray(bytes(packet))
            if packet.pts in (500, 1000):  # frames 15 and 30
                data[0] &= ~0x10
            copy = av.Packet(bytes(data))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, stream
            output.mux(copy)
    shown = [k for k in range(60) if k not in (15, 30)]
    assert probe(path).frames == 58
    assert numbers(read_frames(path, EveryNth(1))) == shown


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_rotation_flags(
    clip: Any, numbers: Numbers, degrees: int, flipped: bool, extension: str
) -> None:
    # The flag rotates counterclockwise, and then flips.
    turn = {"degrees": degrees, "hflip": flipped}
    path = clip(f"turned_{degrees}_{flipped}.{extension}", range(20), turn=turn)
    plain = read_frames(clip("h264.mp4"), EveryNth(1, limit=20))
    frames = read_frames(path, EveryNth(1))
    unflipped = frames[:, :, ::-1] if flipped else frames
    stored = np.rot90(unflipped, -degrees // 90, axes=(1, 2))
    np.testing.assert_allclose(stored.astype(int), plain, atol=40)
    assert numbers(stored) == list(range(20))
    info = probe(path)
    assert (info.height, info.width) == frames.shape[1:3]
    assert info.rotation == -degrees % 360


def test_other_angles_are_ignored_with_a_warning(clip: Any, numbers: Numbers) -> None:
    path = clip("slanted.mp4", range(20), turn={"degrees": 30})
    with pytest.warns(UserWarning, match=r"slanted.mp4.*by -30 degrees") as caught:
        frames = read_frames(path, EveryNth(5))
    assert len(caught) == 1
    assert numbers(frames) == [0, 5, 10, 15]


@pytest.mark.parametrize("crop", ["6,0,0,0", "2,4,8,10", "0,0,0,8"])
def test_a_video_that_crops_its_frames_is_read_as_cropped(clip: Any, crop: str) -> None:
    """A crop at the left or the top must not be rounded, and the frame scaled instead."""
    options = {"preset": "veryfast", "crf": "1"}
    whole = clip("uncropped.mp4", range(5), options=options)
    cropped = {"x264-params": f"crop-rect={crop}"}
    path = clip(f"cropped {crop}.mp4", range(5), options=options | cropped)
    left, top, right, bottom = map(int, crop.split(","))
    expected = read_frames(whole, EveryNth(1))[:, top : 64 - bottom, left : 96 - right]
    frames = read_frames(path, EveryNth(1))
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(int) - expected).mean() < 2
    np.testing.assert_array_equal(recorded(path)[1], frames)


@pytest.mark.parametrize("matrix", ["YCgCo", "bt2020c", "ICtCp"])
def test_other_color_matrices_are_read_with_a_warning(
    clip: Any, numbers: Numbers, matrix: str
) -> None:
    options = {"preset": "veryfast", "x264-params": f"colormatrix={matrix}"}
    path = clip(f"{matrix}.mp4", range(20), options=options)
    with pytest.warns(UserWarning, match=rf"{matrix}\.mp4: the color matrix") as caught:
        frames = read_frames(path, EveryNth(5))
    assert len(caught) == 1
    assert numbers(frames) == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("extension", "codec", "count"),
    [
        ("ts", "libx264", 3),
        ("ts", "mpeg2video", 3),
        ("mpg", "mpeg2video", 3),
        ("mkv", "libx264", 2),  # FFmpeg reads no third one
        ("webm", "libvpx", 2),
    ],
)
def test_joined_parts_are_read_one_after_the_other(
    clip: Any, numbers: Numbers, extension: str, codec: str, count: int
) -> None:
    parts = [
        clip(f"part {k} {codec}.{extension}", range(60 * k, 60 * k + 60), codec=codec)
        for k in range(count)
    ]
    data = b"".join(part.read_bytes() for part in parts)
    path = clip.write(f"joined {codec}.{extension}", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideoWarning)
        found = numbers(read_frames(path, EveryNth(1)))
        later = numbers(read_frames(path, EveryNth(30), start=2 * count - 1.5))
        duration = probe(path).duration
    assert found == list(range(60 * count))
    assert duration == pytest.approx(2 * count, abs=0.2)
    assert later[0] in range(60 * count - 47, 60 * count - 42)


def test_a_new_size_in_mid_stream_is_scaled_to_the_first(clip: Any, numbers: Numbers) -> None:
    first = clip("vp8.webm", **CLIPS["vp8.webm"])
    later = clip("vp8_large.webm", range(60, 90), codec="libvpx", size=(192, 128))
    path = clip.folder / "grows.webm"
    with av.open(str(path), "w") as output, av.open(str(first)) as a, av.open(str(later)) as b:
        stream = output.add_stream_from_template(a.streams.video[0])
        for original, shift in ((a, 0), (b, 2000)):
            for packet in original.demux(original.streams.video[0]):
                if packet.dts is not None:
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    output.mux(packet)
    frames = read_frames(path, EveryNth(1))
    assert frames.shape == (90, 64, 96, 3)
    assert numbers(frames) == list(range(90))
    assert numbers(read_frames(path, Dense(3), start=2.5)) == [81, 82, 83]


def test_a_video_of_one_frame(clip: Any, numbers: Numbers) -> None:
    path = clip("single.mp4", [7])
    assert probe(path).frames == 1
    for sampler in (Segments(8), Dense(8), PerrettTest(8), BlockCentres(8), Window(8)):
        assert numbers(read_frames(path, sampler)) == [7] * 8


def test_order_and_repeats_follow_the_sampler(clip: Any, numbers: Numbers) -> None:
    expected = [40, 3, 3, 59, 0, 40]
    frames = read_frames(clip("h264.mp4"), lambda timeline: np.array(expected))
    assert numbers(frames) == expected


def test_sets_decode_each_frame_once_and_do_not_share(clip: Any, monkeypatch: Any) -> None:
    decoded: list[int] = []
    original = decoding.decode

    def counting(*arguments: Any) -> Any:
        for position, frame in original(*arguments):
            decoded.append(position)
            yield position, frame

    monkeypatch.setattr("fewact.video.reading.decode", counting)
    path = clip("h264.mp4")
    one, _, three = read_frame_sets(path, [Segments(8), Dense(16), Segments(8)])
    assert len(decoded) == len(set(decoded)) < 24
    np.testing.assert_array_equal(one, three)
    one[:] = 0
    assert three.any()
    assert read_frame_sets(path, []).frames == []


def test_the_transform_gets_each_chosen_frame_once(clip: Any) -> None:
    path = clip("h264.mp4")
    shapes: list[tuple[int, ...]] = []

    def shrink(image: np.ndarray) -> np.ndarray:
        shapes.append(image.shape)
        return image.reshape(8, 8, 8, 12, 3).mean((1, 3), dtype=np.float32)

    small = read_frames(path, Segments(100), transform=shrink)
    assert shapes == [(64, 96, 3)] * 60
    assert (small.shape, small.dtype) == ((100, 8, 8, 3), np.float32)
    plain = read_frames(path, Segments(100))
    np.testing.assert_allclose(small[50], shrink(plain[50]))
    sizes = iter(range(1, 100))
    with pytest.raises(ShapeError):
        read_frames(path, Segments(8), transform=lambda image: image[: next(sizes)])


def test_only_results_of_the_transform_are_kept_in_memory(clip: Any) -> None:
    path = clip("wide.mp4", range(100), size=(320, 240))
    tracemalloc.start()
    small = read_frames(path, EveryNth(1), transform=lambda image: image[:2, :2])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert small.shape == (100, 2, 2, 3)
    assert peak < 8 * 320 * 240 * 3


@pytest.mark.parametrize(
    "indices",
    [[], [60], [-1], [0.5], [[1, 2]], None],
    ids=["none", "past", "negative", "half", "table", "nothing"],
)
def test_impossible_choices_are_refused(clip: Any, indices: Any) -> None:
    with refused(OptionError, expected="0 to 59"):
        read_frames(clip("h264.mp4"), lambda timeline: np.array(indices))


def test_what_is_no_path_or_no_sampler_is_refused(clip: Any) -> None:
    path = clip("h264.mp4")
    with path.open("rb") as file:
        for content in (path.read_bytes(), file):
            for read in (probe, lambda content: read_frames(content, Segments(8))):
                with refused(DataError, got=type(content).__name__, hint="VideoBytes(content)"):
                    read(content)
    with refused(DataError, got="NoneType"):
        read_frames(None, Segments(8))  # type: ignore[arg-type]
    with refused(OptionError, where="sampler", got="8"):
        read_frames(path, 8)  # type: ignore[arg-type]


def test_a_transform_returns_an_array(clip: Any) -> None:
    path = clip("h264.mp4")
    with refused(OptionError, where="transform", got="'half'"):
        read_frames(path, Segments(2), transform="half")  # type: ignore[arg-type]
    with refused(ShapeError, where="result of transform"):
        read_frames(path, Segments(2), transform=lambda frame: None)  # type: ignore[arg-type, return-value]


def test_home_is_expanded_where_a_video_is_named(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    frames = read_frames(clip("h264.mp4"), Segments(2))
    written = write_video("~/a b.mkv", frames, 5)
    assert written == tmp_path / "a b.mkv"
    for path in ("~/a b.mkv", Path("~/a b.mkv")):
        assert probe(path).frames == 2
        assert len(Clip(path).read([Segments(2)]).frames[0]) == 2  # type: ignore[arg-type]
        with open_recording(path) as recording:
            assert len(list(recording.frames())) == 2


def test_the_number_of_threads_changes_no_pixel(clip: Any) -> None:
    path = clip("h264.mp4")
    one = read_frames(path, Segments(8), threads=1)
    for threads in (2, 4, "auto"):
        np.testing.assert_array_equal(read_frames(path, Segments(8), threads=threads), one)
    for threads in (0, -1, "many", None):
        with refused(OptionError, where="threads"):
            read_frames(path, Segments(8), threads=threads)


def test_many_threads_read_at_once(clip: Any) -> None:
    paths = [clip(name, **CLIPS[name]) for name in ("h264.mp4", "vp9.webm", "mpeg4.avi")] * 8
    alone = [read_frames(path, Segments(8)) for path in paths]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda path: read_frames(path, Segments(8)), paths))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert threading.active_count() < 50


def test_paths_may_be_strings_with_special_characters(
    clip: Any, numbers: Numbers, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.mp4", "frame%03d.mp4", "été 動画 #1?.mp4", "-i.mp4"):
        Path(name).write_bytes(clip("h264.mp4").read_bytes())
        assert numbers(read_frames(name, EveryNth(20))) == [0, 20, 40]
        assert probe(name).path == Path(name)
