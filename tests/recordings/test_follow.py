"""Folders to which cameras write are watched while files come in."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.core.errors import OutputError
from fewact.recordings import follow
from fewact.recordings.follow import Follower
from fewact.recordings.formats import Event
from fewact.recordings.stream import Stream
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import STEPS, render

FPS = 12
MOTIONS = ["left", "down", "right"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> FewShotClassifier:
    root = tmp_path_factory.mktemp("follow")
    for motion in STEPS:
        for seed in range(3):
            render(root / motion / f"{seed}.mp4", motion, seed)
    return FewShotClassifier(method="pixels").fit(root)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    root = tmp_path_factory.mktemp("recording")
    clips = [render(root / f"{i}.mp4", motion, 30 + i) for i, motion in enumerate(MOTIONS)]
    still = np.repeat(np.asarray(read_frames(clips[-1], EveryNth(1)))[-1:], 4 * FPS, axis=0)
    return np.concatenate([*(read_frames(clip, EveryNth(1)) for clip in clips), still])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL", 0.02)
    monkeypatch.setattr(follow, "SETTLED", 0.3)


class Following:
    """A follower in a thread, which ends when it has written a number of events."""

    def __init__(self, taught: FewShotClassifier, folder: Path, output: Path | None) -> None:
        self.events: list[Event] = []
        self.found = threading.Condition()
        begin = partial(Stream.of, taught)
        self.follower = Follower([folder], begin, self.write, output, "job")
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.follower.follow, args=(self.stop,))
        self.thread.start()

    def write(self, event: Event) -> None:
        with self.found:
            self.events.append(event)
            self.found.notify()

    def wait_for(self, number: int) -> None:
        with self.found:
            assert self.found.wait_for(lambda: len(self.events) >= number, timeout=60)

    def wait_until_read(self, path: Path) -> None:
        for _ in range(3000):
            segments = [
                s for c in list(self.follower.cameras.values()) for s in c.segments.values()
            ]
            if any(s.path == path and s.is_done for s in segments):
                return
            self.stop.wait(0.02)
        raise AssertionError(f"{path} was not read")

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def following(taught: FewShotClassifier) -> Iterator[list[Following]]:
    running: list[Following] = []
    yield running
    for each in running:
        each.end()


def segments(folder: Path, frames: np.ndarray, *borders: int) -> Iterator[Path]:
    """Write segments one by one, as a recorder names them: each is there at once."""
    camera = folder / "2026-05-02" / "14" / "porch"
    camera.mkdir(parents=True, exist_ok=True)
    start = 0
    for border in (*borders, len(frames)):
        time = round(start / FPS)
        path = camera / f"00.{time:02}.mkv"
        written = write_video(camera / f".{path.name}", frames[start:border], FPS)
        written.rename(path)
        yield path
        start = border


def test_events_across_segments_are_found_once(
    taught: FewShotClassifier, frames: np.ndarray, tmp_path: Path, following: list[Following]
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    output = tmp_path / "events.jsonl"
    run = Following(taught, folder, output)
    following.append(run)
    length = (len(frames) - 4 * FPS) // 3
    paths = []
    for path in segments(folder, frames, length + length // 2, 3 * length + length // 2):
        paths.append(path)
        run.wait_until_read(path)
    run.wait_for(3)
    run.end()
    assert [event.label for event in run.events] == MOTIONS
    assert [event.recording for event in run.events] == [str(paths[i]) for i in (0, 0, 1)]
    assert all(event.clock.startswith("2026-05-02T14:00:0") for event in run.events)
    written = [json.loads(line) for line in output.read_text().splitlines()]
    assert [event["label"] for event in written] == MOTIONS
    assert written[1]["end"] * FPS > length + length // 2, "it ends in the next file"


def test_a_restart_goes_on_where_it_was(
    taught: FewShotClassifier, frames: np.ndarray, tmp_path: Path, following: list[Following]
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    output = tmp_path / "events.jsonl"
    length = (len(frames) - 4 * FPS) // 3
    coming = segments(folder, frames, length, 2 * length, 3 * length)
    first = Following(taught, folder, output)
    following.append(first)
    for _ in range(2):
        first.wait_until_read(next(coming))
    first.end()
    second = Following(taught, folder, output)
    following.append(second)
    for path in coming:
        second.wait_until_read(path)
    second.wait_for(3 - len(first.events))
    second.end()
    assert [event.label for event in (*first.events, *second.events)] == MOTIONS
    assert len(output.read_text().splitlines()) == 3


def test_a_file_that_grows_is_read_on(
    taught: FewShotClassifier,
    frames: np.ndarray,
    tmp_path: Path,
    following: list[Following],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follow, "SETTLED", 5.0)
    folder = tmp_path / "camera"
    folder.mkdir()
    whole = write_video(tmp_path / "whole.mkv", frames, FPS).read_bytes()
    run = Following(taught, folder, None)
    following.append(run)
    growing = folder / "now.mkv"
    for part in range(1, 5):
        with growing.open("ab") as file:
            file.write(whole[(part - 1) * len(whole) // 4 : part * len(whole) // 4])
        run.stop.wait(0.5)
    run.wait_until_read(growing)
    run.end()
    assert [event.label for event in run.events] == MOTIONS
    assert {event.recording for event in run.events} == {str(growing)}


def test_files_that_are_old_at_the_start_are_left_out(
    taught: FewShotClassifier,
    frames: np.ndarray,
    tmp_path: Path,
    following: list[Following],
    capsys: pytest.CaptureFixture[str],
) -> None:
    import os

    old = write_video(tmp_path / "camera" / "old.mkv", frames[:20], FPS)
    os.utime(old, (1e9, 1e9))
    run = Following(taught, tmp_path / "camera", None)
    following.append(run)
    new = write_video(tmp_path / "camera" / "pew.mkv", frames[:20], FPS)
    run.wait_until_read(new)
    run.end()
    assert "Left out 1 files" in capsys.readouterr().err
    assert [part.path for part in run.follower.cameras[str(tmp_path / "camera")].parts] == [new]


def test_positions_of_another_model_are_refused(taught: FewShotClassifier, tmp_path: Path) -> None:
    output = tmp_path / "events.jsonl"
    begin = partial(Stream.of, taught)
    positions = output.with_name("events.jsonl.followed.json")
    positions.write_text('{"version": 1, "job": "another", "cameras": {}}')
    with pytest.raises(OutputError):
        Follower([tmp_path], begin, print, output, "job")
    Follower([tmp_path], begin, print, output, "job", overwrite=True)
