"""Watching live sources: late frames are dropped and counted, and stopping ends all threads."""

import itertools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from fewact import FewShotClassifier, methods
from fewact.core.errors import DataError, ModelError, OptionError, VideoError
from fewact.data import FeatureClip
from fewact.recordings.events import Event
from fewact.recordings.stream import Stream, StreamState
from fewact.recordings.watch import FRAMES_AHEAD, WINDOWS_AHEAD, Watch, watch, watching
from fewact.video import VideoWarning, write_video
from fewact.video.recording import Recording, open_recording

EVENT = Event("wave", 0.0, 1.0, 1.0, 1)


class SlowStream:
    """Looks at every frame, and takes its time."""

    rate = 10.0
    state = StreamState(None, 0.0, 0.0)

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.times: list[float] = []
        self.end: float | None = None

    def needs(self, time: float) -> bool:
        return True

    def push(self, frame: np.ndarray, at: float, *, after_gap: bool = False) -> list[Event]:
        assert frame.shape == (24, 32, 3)
        self.times.append(at)
        time.sleep(self.seconds)
        return []

    def close(self, end: float | None = None) -> list[Event]:
        self.end = end
        return [EVENT]

    def stop(self) -> None:
        pass


class BusyStream(SlowStream):
    """Looks at its first frame until the camera has ended."""

    rate = 100.0

    def __init__(self) -> None:
        super().__init__()
        self.camera_ended = threading.Event()

    def push(self, frame: np.ndarray, at: float, *, after_gap: bool = False) -> list[Event]:
        assert self.camera_ended.wait(20)
        return super().push(frame, at, after_gap=after_gap)


def camera(count: int | None = None, step: float = 0.1) -> Iterator[tuple[float, VideoFrame]]:
    """Frames that come much faster than their times say."""
    for i in itertools.count() if count is None else range(count):
        image = av.VideoFrame.from_ndarray(np.zeros((24, 32, 3), np.uint8), format="rgb24")
        yield i * step, image


@pytest.mark.parametrize("jump", [0.0, 86_400.0])
def test_late_frames_are_dropped_and_counted(jump: float) -> None:
    """The times of a camera may jump, as where its clock is set: they go on from there."""
    stream = BusyStream()

    def frames() -> Iterator[tuple[float, VideoFrame]]:
        for time_of, frame in camera(40, 0.01):
            time.sleep(0.01)
            yield time_of + jump * (time_of > 0.15), frame
        stream.camera_ended.set()

    watch = Watch(stream, Recording("camera", frames(), live=True))  # type: ignore[arg-type]
    assert list(watch.events()) == [EVENT]
    assert watch.looked_at == len(stream.times)
    assert watch.dropped > 0
    assert watch.looked_at + watch.dropped == 40
    assert stream.times == sorted(stream.times)
    assert watch.time == stream.times[-1] == pytest.approx(0.39, abs=0.04)


def test_frames_that_come_before_they_are_due_are_not_late() -> None:
    """Segments of a playlist and downloads come faster than they were recorded."""
    stream = SlowStream(0.01)
    recording = Recording("playlist", camera(3 * FRAMES_AHEAD, 0.9), live=True)
    watch = Watch(stream, recording)  # type: ignore[arg-type]
    assert list(watch.events()) == [EVENT]
    assert watch.dropped == 0
    assert stream.times == pytest.approx([i * 0.9 for i in range(3 * FRAMES_AHEAD)])


@pytest.mark.parametrize(
    ("again", "live", "ahead"),
    [(True, False, WINDOWS_AHEAD), (False, True, WINDOWS_AHEAD), (False, False, 0)],
)
def test_events_of_a_pipe_do_not_wait_for_its_next_frame(
    again: bool,
    live: bool,
    ahead: int,
    quick: FewShotClassifier,
    actions: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested: list[int] = []

    def stream(classifier: FewShotClassifier, *, ahead: int = 0, **options: object) -> SlowStream:
        requested.append(ahead)
        return SlowStream()

    @contextmanager
    def opened(source: str, stop: threading.Event | None) -> Iterator[Recording]:
        yield Recording(source, camera(3), again=again, live=live)

    monkeypatch.setattr(sys.modules["fewact.recordings.watch"], "open_recording", opened)
    monkeypatch.setattr(Stream, "of", stream)
    assert list(watch(quick.fit(actions), "source")) == [EVENT]
    assert requested == [ahead]  # no second stream is built for a check


def test_what_cannot_watch_is_refused_before_anything_is_opened(
    quick: FewShotClassifier, actions: Path
) -> None:
    clips = [FeatureClip(str(i), np.full((8, 4), i, np.float32), label=str(i)) for i in range(2)]
    of_features = FewShotClassifier(method=methods.create("protonet", frames=8)).fit(clips)
    missing = "no such recording.mp4"
    with pytest.raises(ModelError):
        list(watch(of_features, missing))
    quick.fit(actions).false_alarms = 2.0
    with pytest.raises(OptionError):
        list(watch(quick, missing))
    quick.false_alarms = None
    with pytest.raises(DataError):
        list(watch(quick, missing, only=["jump"]))
    with pytest.raises(VideoError):
        list(watch(quick, missing))


def test_no_frame_of_a_file_is_dropped() -> None:
    stream = SlowStream()
    watch = Watch(stream, Recording("file", camera(3 * FRAMES_AHEAD)))  # type: ignore[arg-type]
    assert len(list(watch.moments())) == 3 * FRAMES_AHEAD
    assert watch.dropped == 0
    assert watch.close() == [EVENT]
    assert stream.end == pytest.approx(3 * FRAMES_AHEAD / 10)


def test_stopping_ends_a_camera_and_its_thread() -> None:
    before = threading.active_count()
    stop = threading.Event()
    watch = Watch(SlowStream(), Recording("camera", camera(), live=True), stop)  # type: ignore[arg-type]
    found = []
    for seconds, _, _ in watch.moments():
        found.append(seconds)
        if len(found) == 3:
            stop.set()
    assert len(found) == 3
    assert threading.active_count() == before


def test_a_camera_that_ends_stops_no_other_one() -> None:
    stop = threading.Event()
    watch = Watch(SlowStream(), Recording("camera", camera(3), live=True), stop)  # type: ignore[arg-type]
    assert len(list(watch.moments())) == 3
    assert not stop.is_set()


def test_an_error_of_the_camera_is_raised() -> None:
    def broken() -> Iterator[tuple[float, VideoFrame]]:
        yield from camera(2)
        raise VideoError("camera", "unplugged")

    watch = Watch(SlowStream(), Recording("camera", broken(), live=True))  # type: ignore[arg-type]
    with pytest.raises(VideoError) as refused:
        list(watch.moments())
    assert refused.value.reason == "unplugged"


def test_a_file_that_is_cut_short_gives_a_warning_at_its_end(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 24, 32, 3), np.uint8)
    intact = write_video(tmp_path / "intact.mkv", noise, 10)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(intact.read_bytes()[: intact.stat().st_size * 7 // 10])
    with open_recording(intact) as recording:
        assert list(Watch(SlowStream(), recording).events()) == [EVENT]  # type: ignore[arg-type]
    with open_recording(cut) as recording:
        watch = Watch(SlowStream(), recording)  # type: ignore[arg-type]
        read = len(list(watch.moments()))
        with pytest.warns(VideoWarning) as caught:
            assert watch.close() == [EVENT]
    lost = f"{cut}: the file is cut short, {60 - read} frames are lost at its end"
    assert [str(one.message) for one in caught] == [lost]
    assert caught[0].filename == __file__


def test_subjects_of_a_camera_are_refused(taught: FewShotClassifier) -> None:
    with (
        pytest.raises(OptionError) as refused,
        watching(taught, "rtsp://127.0.0.1/none", regions=True),
    ):
        pass
    assert refused.value.where == "regions"
