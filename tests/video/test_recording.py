"""Recordings that are read frame by frame: files, pipes and addresses."""

import contextlib
import http.server
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from fewact.core.errors import DataError, VideoError
from fewact.video import EveryNth, Timeline, index, probe, read_frames, write_video
from fewact.video.index import index_file, untimed
from fewact.video.opening import Damage, collect_warnings, packets
from fewact.video.recording import Recording, find_camera, open_recording
from fewact.video.writing import jpeg
from tests.network_camera import jpeg_camera
from tests.refused import refused
from tests.video.conftest import recorded


def counted(count: int = 30) -> np.ndarray:
    """Frames of different brightness."""
    grey = np.linspace(20, 230, count).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, 48, 64, 3)).copy()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("recording") / "a.mkv", counted(), 15)


def transport_stream(path: Path, frames: np.ndarray, fps: int) -> bytes:
    """Return the bytes of an MPEG transport stream."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    return path.read_bytes()


def test_a_file_gives_all_frames_with_their_times(video: Path) -> None:
    times, frames = recorded(video)
    assert np.allclose(times, np.arange(30) / 15, atol=2e-3)
    assert np.array_equal(frames, read_frames(video, EveryNth(1)))
    with open_recording(video) as opened:
        assert not opened.live
        assert opened.duration == pytest.approx(2.0, abs=0.1)
        assert opened.fps == pytest.approx(15)


def test_frames_that_are_not_later_are_left_out_and_counted() -> None:
    times = [0.0, 0.1, 0.2, 0.15, 0.2, 0.3, None, 0.9, 0.0, 0.1]
    opened = Recording("camera", iter([(time, VideoFrame(8, 8)) for time in times]), fps=10)
    found = [time for time, _ in opened.frames()]
    assert found == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.9, 1.0, 1.1])
    assert opened.not_later == 2


@pytest.mark.parametrize(
    ("live", "jump", "kept"),
    [(False, 600.0, True), (True, 20.0, True), (True, 600.0, False), (False, 91_800.0, False)],
)
def test_a_clock_that_begins_again_makes_no_gap(live: bool, jump: float, kept: bool) -> None:
    """A camera sends nothing for at most half a minute; FFmpeg makes a new clock a later day."""
    times = [0.0, 0.1, 0.2 + jump, 0.3 + jump]
    frames = iter([(time, VideoFrame(8, 8)) for time in times])
    opened = Recording("camera", frames, fps=10, live=live)
    found = [time for time, _ in opened.frames()]
    assert found == pytest.approx(times if kept else [0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("container", ["ts", "mkv"])
def test_frames_before_the_first_key_frame_count_for_times(
    container: str, clip: Any, tmp_path: Path
) -> None:
    """As for players and for segments of a table, the first one is the start."""
    path = tmp_path / f"joined.{container}"
    with av.open(str(clip("keys.mkv", range(60), gop=20, b_frames=0))) as whole:
        stream = whole.streams.video[0]
        with av.open(str(path), "w") as output:
            copy = output.add_stream_from_template(stream)
            for packet in [one for one in whole.demux(stream) if one.size][5:]:
                packet.stream = copy
                output.mux(packet)
    times, _ = recorded(path)
    assert len(times) == 40
    assert times[0] == pytest.approx(15 / 30, abs=2e-3)
    assert times[-1] == pytest.approx(54 / 30, abs=2e-3)


def test_joined_parts_follow_each_other(tmp_path: Path) -> None:
    parts = [transport_stream(tmp_path / "a.ts", one, 15) for one in (counted(), counted()[::-1])]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    times, frames = recorded(tmp_path / "joined.ts")
    assert len(frames) == 60
    assert times[-1] == pytest.approx(59 / 15, abs=0.1)
    assert all(late > early for early, late in pairwise(times))
    grey = frames.mean((1, 2, 3))
    assert grey[:30].argmax() == 29
    assert grey[30:].argmax() == 0


@pytest.mark.parametrize("container", ["mkv", "mp4", "nut"])
@pytest.mark.parametrize("fps", [25, 12])
def test_a_file_whose_frames_all_have_the_same_time(
    clip: Any, numbers: Callable[..., list[int]], container: str, fps: int
) -> None:
    """It is read at the rate that the other readers of files assume, with their warning."""
    timed = clip(f"timed_{fps}.mkv", range(30), codec="mjpeg", pixels="yuvj420p", fps=fps)
    path = clip.at_one_time(timed, f"untimed_{fps}.{container}")
    with collect_warnings() as texts:
        info, frames = probe(path), read_frames(path, EveryNth(1))
    with open_recording(path) as opened:
        found = [(time, opened.convert(frame)) for time, frame in opened.frames()]
        with collect_warnings() as own:
            opened.damage.warn(path)
    assert (len(found), opened.not_later) == (30, 0)
    assert [time for time, _ in found] == pytest.approx(np.arange(30) / info.fps)
    assert opened.fps == pytest.approx(info.fps)
    assert opened.duration == pytest.approx(info.duration)
    assert numbers([frame for _, frame in found]) == numbers(frames) == list(range(30))
    assert [*texts, *own] == 3 * texts[:1]
    rate = f"{info.fps:.4g} frames per second are assumed"
    assert texts[0] == f"{path}: all frames have the same time, {rate}"


def test_a_file_of_two_times_is_read_no_further(clip: Any, monkeypatch: Any) -> None:
    read: list[int | None] = []

    def noted(video: Any) -> Iterator[Any]:
        for packet in packets(video):
            read.append(packet.pts)
            yield packet

    monkeypatch.setattr(index, "packets", noted)
    path = clip("timed_25.mkv", range(30), codec="mjpeg", pixels="yuvj420p", fps=25)
    assert untimed(path) is None
    assert len(read) == 2
    raw = clip("raw.h264", range(30))
    assert untimed(raw) is None
    assert read[2:] == [None]
    assert damage_of(path) == Damage()
    one = clip("one.mkv", range(1), codec="mjpeg", pixels="yuvj420p", fps=25)
    assert untimed(one) is None
    assert damage_of(one) == Damage()


DROPPED = [k + 30 * (k > 19) for k in range(60)]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("raw30.h264", {}),
        ("raw30.hevc", {"codec": "libx265"}),
        ("raw12.h264", {"fps": 12}),
        ("dropped.avi", {"times": DROPPED, "unit": Fraction(1, 30)}),
        ("dropped_mpeg4.avi", {"times": DROPPED, "unit": Fraction(1, 30), "codec": "mpeg4",
                               "b_frames": 2}),
    ],
)  # fmt: skip
def test_frames_without_times_have_those_of_the_index(
    clip: Any, numbers: Callable[..., list[int]], name: str, settings: dict[str, Any]
) -> None:
    """Raw streams store durations, and AVI the places at which frames were dropped."""
    path = clip(name, **settings)
    timelines: list[Timeline] = []
    read_frames(path, lambda timeline: timelines.append(timeline) or np.zeros(1, np.int64))
    times, frames = recorded(path)
    assert numbers(frames) == list(range(60))
    assert times == pytest.approx(timelines[0].times, abs=1e-6)
    fps, last = settings.get("fps", 30), settings.get("times", [59])[-1]
    assert times[-1] == pytest.approx(last / fps, abs=1.5 / fps)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for i, frame in enumerate(counted(5)):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(frame))
    times, frames = recorded(tmp_path)
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert frames.shape == (5, 48, 64, 3)


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Return a function that gives a file through a named pipe; its reader may leave early."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writers = []

    def write(file: Path) -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(file.read_bytes())

    def start(file: Path) -> Path:
        writers.append(threading.Thread(target=write, args=[file]))
        writers[-1].start()
        return pipe

    yield start
    for writer in writers:
        writer.join()


def test_a_named_pipe(video: Path, piped: Callable[[Path], Path]) -> None:
    times, frames = recorded(piped(video))
    assert len(times) == 30
    assert np.array_equal(frames, read_frames(video, EveryNth(1)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_that_waits_for_its_writer_can_be_stopped(video: Path, tmp_path: Path) -> None:
    pipe, stop = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    done, was_open = threading.Event(), []

    def write() -> None:
        with pipe.open("wb") as sink:
            sink.write(video.read_bytes())
            sink.flush()
            stop.set()  # what was written is read all the same
            was_open.append(done.wait(20))

    writer = threading.Thread(target=write)
    writer.start()
    with open_recording(pipe, stop=stop) as recording:
        assert len(list(recording.frames())) == 30
    done.set()
    writer.join()
    assert was_open == [True]


def test_an_interrupt_while_a_pipe_is_read_is_passed_on(
    video: Path, piped: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = piped(video)
    waiting = iter([([pipe], [], [])])

    def wait(*_: object) -> Any:
        with contextlib.suppress(StopIteration):
            return next(waiting)
        raise KeyboardInterrupt

    monkeypatch.setattr(select, "select", wait)
    with pytest.raises(KeyboardInterrupt):
        recorded(pipe)


def test_an_mp4_file_that_a_pipe_cannot_give_gets_a_hint(
    tmp_path: Path, piped: Callable[[Path], Path]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 96, 128, 3), np.uint8)
    path = write_video(tmp_path / "long.mp4", noise, 25)
    with refused(VideoError, reason="decoded", hint=".mkv"):
        recorded(piped(path))


@pytest.fixture(scope="module")
def address(video: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=video.parent)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{video.name}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address(address: str, video: Path) -> None:
    times, frames = recorded(address)
    assert len(times) == 30
    assert np.array_equal(frames, read_frames(video, EveryNth(1)))


def test_a_camera_without_times_has_those_at_which_its_frames_come() -> None:
    """Of 25 frames per second, as FFmpeg counts them, twenty last 0.8 s."""
    frames = [np.full((48, 64, 3), 8 * i, np.uint8) for i in range(20)]
    with jpeg_camera(frames, 10) as address, open_recording(address) as recording:
        assert recording.live
        times = [time for time, _ in recording.frames()]
    assert len(times) == 20
    assert times[-1] > 1.2


def test_a_playlist_of_the_network_opens_no_file_of_this_computer(
    address: str, video: Path
) -> None:
    (video.parent / "list.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{video}\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(VideoError):
        recorded(address.replace(video.name, "list.m3u8"))


@pytest.mark.parametrize(
    "source", ["no such.mp4", "98", "/dev/video97", "rtsp://127.0.0.1:9/none", "v4l2:nothing"]
)
def test_what_cannot_be_opened_is_named(source: str) -> None:
    with refused(VideoError, where=source), open_recording(source):
        pass


def test_cameras_are_found_by_number_and_by_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert find_camera("0") == ("/dev/video0", "v4l2")
    assert find_camera("/dev/video2") == ("/dev/video2", "v4l2")
    assert find_camera("avfoundation:FaceTime") == ("FaceTime", "avfoundation")
    assert find_camera("dshow:video=Cam") == ("video=Cam", "dshow")
    assert find_camera("clips/0.mp4") is None
    assert find_camera("2024") is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find_camera("1") == ("1:none", "avfoundation")


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts"])
def test_the_video_may_begin_after_the_sound(clip: Any, extension: str) -> None:
    plain = clip(f"in_order.{extension}", b_frames=0)
    late = clip.after_sound(plain, f"late.{extension}", 2.5)
    for path, delay in ((plain, 0.0), (late, 2.5)):
        with open_recording(path) as recording:
            times = [time for time, _ in recording.frames()]
        assert times[0] == 0
        assert recording.delay == pytest.approx(delay, abs=0.03)


def test_a_file_that_is_cut_off_gives_its_first_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.mkv", noise, 15).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    times, _ = recorded(cut)
    assert 10 < len(times) < 25
    cut.write_bytes(whole[:600])
    with refused(VideoError, path=cut):
        recorded(cut)


CONTAINERS: dict[str, tuple[bool, dict[str, Any]]] = {
    "recorded.mp4": (True, {"muxer": {"movflags": "faststart"}}),
    "fragments.mp4": (True, {"muxer": {"movflags": "frag_keyframe+empty_moov"}}),
    "recorded.mkv": (True, {}),
    "live.mkv": (False, {"muxer": {"live": "1"}}),
    "recorded.webm": (True, {"codec": "libvpx"}),
    "recorded.avi": (True, {"codec": "mpeg4"}),
    "recorded.ts": (False, {}),
}
"""Whether the container says its size, and how it is written."""


def damage_of(source: Path) -> Damage:
    with open_recording(source) as opened:
        for _ in opened.frames():
            assert not opened.damage.missing  # known at the end
    return opened.damage


@pytest.mark.parametrize("name", CONTAINERS)
def test_frames_that_are_missing_from_a_file_are_counted(clip: Any, name: str) -> None:
    sized, settings = CONTAINERS[name]
    intact = clip(f"counted_{name}", range(200), **settings)
    assert damage_of(intact) == Damage()
    cut = clip.cut(intact, f"counted_cut_{name}", 0.7)
    found = damage_of(cut)
    assert bool(found.missing) is sized
    assert found.missing == index_file(cut).missing
    assert found.corrupt <= 1


def test_no_frames_are_missing_from_a_pipe(clip: Any, piped: Callable[[Path], Path]) -> None:
    cut = clip.cut(clip("piped.mkv", range(200)), "piped_cut.mkv", 0.7)
    assert damage_of(cut).missing > 0
    assert damage_of(piped(cut)) == Damage()


def test_images_of_a_folder_that_do_not_decode_are_counted(tmp_path: Path) -> None:
    for i, frame in enumerate(counted(5)):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(frame) if i != 3 else b"\xff\xd8\xff")
    assert damage_of(tmp_path) == Damage(replaced=1)


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with refused(DataError, got=repr(name)), open_recording(name):
        pass


def test_frames_are_no_recording() -> None:
    with refused(DataError, got="ndarray", hint="`stream`"):
        open_recording(np.zeros((2, 8, 8, 3), np.uint8)).__enter__()  # type: ignore[arg-type]
