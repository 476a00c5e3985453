"""``fewact watch``: events of a recording, of a pipe and of a live source."""

import contextlib
import csv
import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from fewact.recordings.commands.outputs import recording_name

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.core.atomic import write_text
from fewact.recordings.commands.watch import _hint, _summarise
from fewact.recordings.formats import find_recording
from fewact.recordings.stream import Stream
from fewact.recordings.watch import watching
from fewact.report import svg
from fewact.video import EveryNth, probe, read_frames, write_video
from tests.classifier.conftest import STEPS, render
from tests.network_camera import network_camera, rtsp_camera
from tests.video.conftest import ClipMaker

Camera = Callable[[list[np.ndarray], int], AbstractContextManager[str]]

PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")

MOTIONS = ["left", "down", "down", "right"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watch")
    for motion in STEPS:
        for seed in range(3):
            render(root / motion / f"{seed}.mp4", motion, seed)
    return root


@pytest.fixture(scope="module")
def model(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a network, which is faster."""
    folder = tmp_path_factory.mktemp("models") / "model"
    assert main(["teach", str(clips), "-o", str(folder), "--method", "pixels", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("long")
    clips = [render(root / f"{i}.mp4", motion, 30 + i) for i, motion in enumerate(MOTIONS)]
    frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
    return write_video(root / "long.mkv", frames, 12)


def labels(text: str) -> list[str]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return [row["label"] for row in rows for _ in range(int(row["repetitions"]))]


def test_events_on_stdout_and_in_files(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = tmp_path / "events.json"
    assert main(["watch", str(model), str(recording), "-o", str(out), "--format", "csv"]) == 0
    shown = capsys.readouterr()
    assert labels(shown.out) == MOTIONS
    assert "Watched 00:00:0" in shown.err
    document = json.loads(out.read_text())
    assert document["counts"] == {"down": 2, "left": 1, "right": 1}
    assert [one["label"] for one in document["events"]] == ["left", "down", "right"]
    assert document["seconds"] == pytest.approx(4, abs=0.2)
    assert document["missing_frames"] == 0
    assert "cut short" not in shown.err

    cut = tmp_path / "cut.mkv"
    cut.write_bytes(recording.read_bytes()[: recording.stat().st_size * 7 // 10])
    drawn = tmp_path / "drawn.mp4"
    outputs = ("-o", str(out), "--video", str(drawn), "--overwrite")
    assert main(["watch", str(model), str(cut), *outputs]) == 0
    lost = json.loads(out.read_text())["missing_frames"]
    assert lost + probe(drawn).frames == probe(recording).frames
    warning = f"Warning: {cut}: the file is cut short, {lost} frames are lost at its end\n"
    assert capsys.readouterr().err.count(warning) == 1


@pytest.mark.slow
def test_one_subject_that_fills_the_picture_has_the_events_of_the_recording(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    info = probe(recording)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"frame,id,x,y,w,h\n0,anna,0,0,{info.width},{info.height}\n")
    capsys.readouterr()
    command = ["watch", str(model), str(recording), "--format", "csv", "-q"]
    assert main(command) == 0
    expected = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    out = tmp_path / "events.json"
    assert main([*command, "--boxes", str(boxes), "-o", str(out)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    assert {row["subject"] for row in rows} == {"anna"}
    assert {row["w"] for row in rows} == {f"{info.width}.0"}
    events = json.loads(out.read_text())["events"]
    assert [event["box"][2] for event in events] == [info.width] * len(rows)


def test_events_of_one_class_alone(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, video = tmp_path / "events.csv", tmp_path / "drawn.mp4"
    words = ["watch", str(model), str(recording), "-o", str(out), "--video", str(video)]
    assert main([*words, "--only", "down", "--only", "left"]) == 0
    assert labels(out.read_text()) == ["left", "down", "down"]
    assert "right" not in capsys.readouterr().err
    assert main([*words, "--overwrite", "--only", "donw"]) == 2
    assert "unknown class (got 'donw')" in capsys.readouterr().err
    assert labels(out.read_text()) == ["left", "down", "down"]


@pytest.mark.slow
def test_a_recording_without_times_is_watched_as_it_is_predicted(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = ClipMaker(tmp_path).at_one_time(recording, "same.mkv"), tmp_path / "events.json"
    assert main(["predict", str(model), str(path)]) == 0
    warning = next(line for line in capsys.readouterr().err.splitlines() if "assumed" in line)
    assert "all frames have the same time" in warning
    assert main(["watch", str(model), str(path), "-o", str(out)]) == 0
    shown = capsys.readouterr().err
    assert shown.splitlines().count(warning) == 1
    assert "Left out" not in shown
    document = json.loads(out.read_text())
    frames, rate = probe(recording).frames, float(warning.split(", ")[-1].split()[0])
    assert document["seconds"] == pytest.approx((frames - 1) / rate, abs=1e-2)
    assert document["frames_out_of_order"] == 0


def test_subtitles_count_from_the_start_of_the_file(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, out = ClipMaker(tmp_path), tmp_path / "events.srt"
    plain = write_video(tmp_path / "plain.mkv", read_frames(recording, EveryNth(1)), 12, "mpeg4")
    late = make.after_sound(plain, "late.mkv", 3.5)
    capsys.readouterr()
    assert main(["watch", str(model), str(late), "-o", str(out), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(rows[0]["start"]) < 0.5
    cues = re.findall(r"00:00:(\S+) --> 00:00:(\S+)", out.read_text())
    for row, cue in zip(rows, cues, strict=True):
        seconds = [float(time.replace(",", ".")) for time in cue]
        expected = [float(row["start"]) + 3.5, float(row["end"]) + 3.5]
        assert seconds == pytest.approx(expected, abs=0.04)


def test_a_recording_without_events_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    recording = SimpleNamespace(live=False, not_later=0, name="monday.mp4")
    stream = SimpleNamespace(lengths=(2.0, 3.0))
    opened: Any = SimpleNamespace(
        time=10.0, dropped=0, recording=recording, stream=stream, faults=()
    )
    assert "--false-alarms 1" in _hint(opened, None, stopped=False)
    assert _hint(opened, 1.0, stopped=False) == ""
    opened.time = 0.9  # no window was scored, whatever the rate
    assert "half a training clip: `fewact predict`" in _hint(opened, 1.0, stopped=False)
    assert _hint(opened, None, stopped=True) == ""
    _summarise(opened, [], 5.0, " Hint.")
    assert capsys.readouterr().err.startswith("No event was found. Hint.\n")
    opened.faults = ("very dark; record with more light",)
    _summarise(opened, [], 5.0, "")
    assert "Warning: monday.mp4: very dark; record with more light\n" in capsys.readouterr().err


@pytest.mark.slow
def test_the_video_shows_events_at_their_true_times(
    model: Path, recording: Path, tmp_path: Path
) -> None:
    """A file is read twice, a pipe once: both show an event from its first frame on."""
    out, drawn, late = tmp_path / "e.json", tmp_path / "drawn.mp4", tmp_path / "late.mkv"
    assert main(["watch", str(model), str(recording), "-o", str(out), "--video", str(drawn)]) == 0
    events = json.loads(out.read_text())["events"]
    whole = probe(recording)
    assert probe(drawn).frames == whole.frames
    assert probe(drawn).fps == pytest.approx(whole.fps, rel=1e-3)
    assert shown_labels(drawn, events) == [one["label"] for one in events]

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(recording.read_bytes()))
    feeder.start()
    assert main(["watch", str(model), str(pipe), "--video", str(late)]) == 0
    feeder.join()
    assert shown_labels(late, events) == [one["label"] for one in events]
    assert probe(late).duration == pytest.approx(whole.duration, abs=0.2)


def test_classes_that_are_integers_are_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = {
        number: [render(tmp_path / f"{motion} {seed}.mp4", motion, seed) for seed in range(2)]
        for number, motion in enumerate(("left", "right"))
    }
    classifier = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips)
    model, source = classifier.save(tmp_path / "model"), clips[0][0]
    out, drawn = tmp_path / "e.json", tmp_path / "drawn.mp4"
    assert main(["watch", str(model), str(source), "-o", str(out), "--video", str(drawn)]) == 0
    found = json.loads(out.read_text())
    assert found["classes"] == [0, 1]
    assert found["events"]
    assert {one["label"] for one in found["events"]} <= {0, 1}
    assert set(found["counts"]) <= {"0", "1"}
    assert probe(drawn).frames == probe(source).frames
    assert "0: " in capsys.readouterr().err


def dated(source: Path, target: Path, created: str) -> Path:
    """Copy a video with the date and time at which it was recorded."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        written.metadata["creation_time"] = created
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return target


def test_many_recordings_are_one_table_that_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {
        motion: [render(tmp_path / f"{motion} {seed}.mp4", motion, seed) for seed in range(2)]
        for motion in ("left", "right")
    }
    classifier = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips)
    night = tmp_path / "night"
    night.mkdir()
    for name, motion in (("b.mp4", "right"), ("c.mp4", "left")):
        shutil.copy(clips[motion][0], night / name)
    dated(clips["left"][0], night / "a.mp4", "2026-03-04T05:06:07Z")
    bad = night / "bad.mp4"
    bad.write_bytes(b"no video")
    opened: list[str] = []
    interrupt_at: list[str] = ["c.mp4"]

    def noted(classifier: FewShotClassifier, source: str, **options: Any) -> Any:
        opened.append(Path(source).name)
        if opened[-1] in interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return watching(classifier, source, **options)

    monkeypatch.setattr("fewact.recordings.watch.watching", noted)
    out, model = tmp_path / "events.csv", classifier.save(tmp_path / "model")
    words = ["watch", str(model), str(night / "*.mp4"), "-o", str(out), "--format", "csv"]

    def run(code: int, *more: str) -> tuple[list[str], list[str], str]:
        """Return the recordings that were opened, those of the table, and stderr."""
        opened.clear()
        capsys.readouterr()
        assert main([*words, *more]) == code
        shown = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(out.read_text())))
        if code != 2:
            printed = list(csv.DictReader(io.StringIO(shown.out)))
            assert Counter(row["recording"] for row in printed) == Counter(
                row["recording"] for row in rows
            )
        return [*opened], [*dict.fromkeys(row["recording"] for row in rows)], shown.err

    names = [f"night/{letter}.mp4" for letter in "abc"]
    assert run(130)[:2] == (["a.mp4", "b.mp4", "bad.mp4", "c.mp4"], names[:2])
    interrupt_at.clear()
    watched, listed, said = run(3)
    assert (watched, listed) == (["bad.mp4", "c.mp4"], names)
    assert f"Skipped: {bad}: " in said
    assert "2 of 4 recordings are finished" in said
    assert "it is of another model or of other options" in run(2, "--min-duration", "0.1")[2]
    shutil.copy(clips["left"][0], bad)
    assert run(0)[:2] == (["bad.mp4"], [*names[:2], "night/bad.mp4", names[2]])
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    for row in rows:
        moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC) + timedelta(seconds=float(row["start"]))
        assert bool(row["clock"]) == (row["recording"] == names[0])
        assert not row["clock"] or datetime.fromisoformat(row["clock"]) == moment
    assert "the file exists already" in run(2)[2]
    assert run(0, "--overwrite")[0] == ["a.mp4", "b.mp4", "bad.mp4", "c.mp4"]
    assert not list(tmp_path.glob("*.finished.json"))
    assert run(2, "--overwrite", "--video", str(tmp_path / "drawn.mp4"))[0] == []


def on_a_pretend_cluster(
    work: Callable[[Any], Any], items: list[Any], *, address: str
) -> Iterator[Any]:
    """Do what ``map_on_ray`` does, in two copies of the work, the last item first."""
    assert address == "local"
    actors = [pickle.loads(pickle.dumps(work)) for _ in range(2)]
    for i, item in reversed([*enumerate(items)]):
        yield json.loads(json.dumps(actors[i % 2](json.loads(json.dumps(item)))))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::ray")
@pytest.mark.parametrize("cluster", ["pretend", "ray"])
def test_a_cluster_finds_what_one_machine_finds(
    cluster: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if cluster == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'fewact[ray]'")
    else:
        monkeypatch.setattr("fewact.cli.options.check_extra", lambda *names: None)
        monkeypatch.setattr("fewact.core.cluster.map_on_ray", on_a_pretend_cluster)
    clips = {name: [render(tmp_path / f"{name}.mp4", name, 0)] for name in ("left", "right")}
    FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips).save(tmp_path / "m")
    night = tmp_path / "night"
    night.mkdir()
    for name, motion in (("b", "left"), ("c", "right")):
        shutil.copy(clips[motion][0], night / f"{name}.mp4")
    dated(clips["left"][0], night / "a.mp4", "2026-03-04T05:06:07Z")
    bad = night / "bad.mp4"
    bad.write_bytes(b"no video")
    monkeypatch.chdir(tmp_path)

    def run(name: str, code: int, *more: str) -> tuple[list[str], str]:
        """Return the lines of the table and stderr."""
        out = tmp_path / name
        words = ["watch", "m", "night", "-o", name, "--format", "csv", *more]
        assert main(words) == code
        shown = capsys.readouterr()
        lines = out.read_text().splitlines()
        assert sorted(shown.out.splitlines()) == sorted(lines)
        return lines, shown.err

    alone, _ = run("alone.csv", 3)
    assert {line.partition(",")[0] for line in alone[1:]} == {f"night/{x}.mp4" for x in "abc"}
    together, said = run("together.csv", 3, "--ray", "local")
    assert together == alone
    assert f"Skipped: {bad}: " in said
    shutil.copy(clips["left"][0], bad)
    resumed, said = run("together.csv", 0, "--ray", "local")
    assert "3 of 4 recordings are finished" in said
    assert resumed == run("alone.csv", 0)[0]
    assert main(["watch", "m", str(bad), "--ray", "local"]) == 2
    assert "expected: several" in capsys.readouterr().err


def test_events_of_other_recordings_in_the_same_file_are_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = {name: [render(tmp_path / f"{name}.mp4", name, 0)] for name in ("left", "right")}
    model = FewShotClassifier(method="pixels", false_alarms=1.0).fit(clips).save(tmp_path / "m")
    night, out = tmp_path / "night", tmp_path / "events.csv"
    night.mkdir()
    for name in "abcd":
        shutil.copy(clips["left"][0], night / f"{name}.mp4")
    during: dict[str, Callable[[], Any]] = {}

    def noted(classifier: FewShotClassifier, source: str, **options: Any) -> Any:
        during.pop(Path(source).name, lambda: None)()
        return watching(classifier, source, **options)

    monkeypatch.setattr("fewact.recordings.watch.watching", noted)

    def run(*names: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["watch", str(model), *names, "-o", str(out)])
        return code, capsys.readouterr().err

    def listed() -> set[str]:
        return {row["recording"] for row in csv.DictReader(io.StringIO(out.read_text()))}

    first, second = ([str(night / f"{name}.mp4") for name in pair] for pair in ("ab", "cd"))
    # Another command begins while the first one watches: it is refused, and leaves no file.
    others: list[tuple[int, str]] = []
    during["a.mp4"] = lambda: others.append(run(*second))
    assert (run(*first)[0], listed()) == (0, {"night/a.mp4", "night/b.mp4"})
    assert others[0][0] == 2
    assert "another command writes this file" in others[0][1]
    assert sorted(path.name for path in tmp_path.iterdir() if "events" in path.name) == [out.name]
    # Or writes the file although it has not the lock, as on a disk without locks.
    out.unlink()
    during["a.mp4"] = lambda: out.write_text("of another command")
    code, said = run(*first)
    assert (code, out.read_text()) == (2, "of another command")
    assert "another command writes this file" in said
    out.unlink()
    # An interrupted command is continued with its own recordings only, from any folder.
    during["b.mp4"] = lambda: signal.raise_signal(signal.SIGINT)
    assert run(*first)[0] == 130
    code, said = run(*second)
    assert (code, listed()) == (2, {"night/a.mp4"})
    assert "recordings that are not named now (got night/a.mp4)" in said
    out.unlink()  # as after a kill before it was written
    monkeypatch.chdir(night)
    code, said = run("a.mp4", "b.mp4")
    assert (code, listed()) == (0, {"night/a.mp4", "night/b.mp4"})
    assert "1 of 2 recordings are finished" in said
    # Killed between the two files of a recording.
    table = out.read_text()
    out.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("fewact.recordings.commands.outputs.write_text", killed_after_one_file())
        with contextlib.suppress(SystemExit):
            run("a.mp4", "b.mp4")
    assert run("a.mp4", "b.mp4")[0] == 0
    assert out.read_text() == table


def killed_after_one_file() -> Callable[[Path, str], Path]:
    """Return a ``write_text`` that ends the command when it would write a second file."""
    written: list[Path] = []

    def write(file: Path, text: str) -> Path:
        if written:
            raise SystemExit(1)
        written.append(file)
        return write_text(file, text)

    return write


def test_recordings_are_named_from_the_real_folder_of_the_file_or_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "results").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "results")
    video = tmp_path / "a.mp4"
    video.touch()
    name = recording_name(video, tmp_path / "link" / "e.csv")
    assert find_recording(tmp_path / "link", name).samefile(video)

    def another_drive(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", another_drive)
    assert recording_name(video, tmp_path / "e.csv") == str(video.resolve())


@pytest.mark.slow
@pytest.mark.parametrize("camera", [network_camera, rtsp_camera])
def test_a_camera_of_the_network(
    model: Path,
    recording: Path,
    tmp_path: Path,
    camera: Camera,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, drawn = tmp_path / "events.json", tmp_path / "drawn.mp4"
    with camera(list(read_frames(recording, EveryNth(1))), 12) as address:
        assert main(["watch", str(model), address, "-o", str(out), "--video", str(drawn)]) == 0
    assert "The source has ended, or sends nothing any more." in capsys.readouterr().err
    document = json.loads(out.read_text())
    assert document["source"] == address
    assert document["seconds"] == pytest.approx(4, abs=0.2)
    # A busy computer drops frames; then windows may show something else, and the video is shorter.
    if document["dropped_frames"] == 0:
        assert [one["label"] for one in document["events"]] == ["left", "down", "right"]
        assert shown_labels(drawn, document["events"]) == ["left", "down", "right"]
        assert probe(drawn).duration == pytest.approx(4, abs=0.5)


def shown_labels(video: Path, events: list[dict[str, Any]]) -> list[str]:
    """Return the class whose colour the label has soon after the start of each event."""
    colours = {
        label: [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        for label, colour in zip(sorted(STEPS), svg.COLOURS, strict=False)
    }
    frames, fps = read_frames(video, EveryNth(1)), probe(video).fps
    found = []
    for one in events:
        frame = frames[round((one["start"] + 0.25) * fps)]
        corner = frame[9:11, 12:30].reshape(-1, 3).mean(0)  # the label's edge, left of its text
        found.append(min(colours, key=lambda label: np.abs(corner - colours[label]).sum()))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("through_a_pipe", [False, pytest.param(True, marks=PIPES)])
def test_frames_that_no_encoder_takes_are_refused_before_the_work(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    through_a_pipe: bool,
) -> None:
    """Of a pipe the first frame is the first chance to know."""
    wide = write_video(tmp_path / "wide.mkv", np.zeros((30, 16, 17_000, 3), np.uint8), 10, "ffv1")
    source, feeder = wide, None
    if through_a_pipe:
        source = tmp_path / "pipe"
        os.mkfifo(source)
        feeder = threading.Thread(target=feed, args=(source, wide.read_bytes()))
        feeder.start()
    pushed: list[float] = []
    push = Stream.push
    monkeypatch.setattr(Stream, "push", lambda *a: (pushed.append(a[2]), push(*a))[1])
    out, drawn = tmp_path / "events.json", tmp_path / "drawn.mp4"
    capsys.readouterr()
    assert main(["watch", str(model), str(source), "-o", str(out), "--video", str(drawn)]) == 2
    if feeder is not None:
        feeder.join()
    shown = capsys.readouterr()
    assert f"{drawn}: frames of 17000 × 16 pixels cannot be encoded as libx264" in shown.err
    assert "or write .webm" in shown.err
    assert not drawn.exists()
    if through_a_pipe:
        assert pushed == [0.0]
    else:
        assert (shown.out, out.exists(), pushed) == ("", False, [])


@PIPES
def test_events_in_frames_are_refused_for_a_pipe_before_the_first_one(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "events.labelstudio.json"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=feed, args=(pipe, recording.read_bytes()))
    feeder.start()
    assert main(["watch", str(model), str(pipe), "-o", str(out)]) == 2
    feeder.join()
    assert "which a camera or a pipe does not number" in capsys.readouterr().err
    assert not out.exists()


def feed(pipe: Path, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write_bytes(content)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.slow
def test_a_reader_that_closes_the_pipe_is_not_an_error(
    model: Path, recording: Path, tmp_path: Path
) -> None:
    """As `fewact watch CAMERA --video drawn.mp4 | head` ends: the video is unfinished then."""
    main_of = "import sys; from fewact.cli import main; sys.exit(main(sys.argv[1:]))"
    options = "--format", "jsonl", "--video", str(tmp_path / "drawn.mp4")
    read, write = os.pipe()
    os.close(read)
    with recording.open("rb") as content:
        done = subprocess.run(
            [sys.executable, "-c", main_of, "watch", str(model), "-", *options],
            stdin=content,
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_keeps_the_events_so_far(model: Path, recording: Path, tmp_path: Path) -> None:
    """The recording comes through a pipe that never ends, as a camera's would."""
    out = tmp_path / "events.csv"
    main_of = "import sys; from fewact.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", main_of, "watch", str(model), "-", "-o", str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sink = process.stdin
    content = recording.read_bytes()

    def feed() -> None:
        sink.write(content)
        sink.flush()

    feeder = threading.Thread(target=feed)
    feeder.start()
    process.stdout.readline()  # the header
    first = process.stdout.readline().decode()
    process.send_signal(signal.SIGINT)
    feeder.join()
    sink.close()
    process.stdout.read()
    process.stdout.close()
    assert process.wait(60) in (0, 130)
    assert first.split()[2] == "left"
    assert labels(out.read_text())[:1] == ["left"]


@PIPES
def test_ctrl_c_ends_a_pipe_that_gives_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, done = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)

    def wait() -> None:
        with pipe.open("wb"):  # opened once `watch` opens it
            signal.raise_signal(signal.SIGINT)
            done.wait(20)

    writer = threading.Thread(target=wait)
    writer.start()
    assert main(["watch", str(model), str(pipe)]) == 130
    done.set()
    writer.join()
    assert "Error" not in capsys.readouterr().err
