"""``fewact watch``: events of a recording, of a pipe and of a live source."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.recordings.stream import Stream
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
def test_a_video_without_its_library_is_refused_first(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    capsys.readouterr()
    assert main(["watch", str(model), "-", "--video", str(tmp_path / "drawn.mp4")]) == 2
    assert 'pip install "fewact[draw]"' in capsys.readouterr().err


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
    monkeypatch.setattr(Stream, "push", lambda *a, **gap: (pushed.append(a[2]), push(*a, **gap))[1])
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


def test_chapters_of_a_camera_are_watched_as_one(
    model: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An action on the border of two files is found once, in the file in which it starts."""
    frames = read_frames(recording, EveryNth(1))
    border = len(frames) // 2 + 4  # within the third action
    folder = tmp_path / "card"
    folder.mkdir()
    for name, part in (("GX010007.MP4", frames[:border]), ("GX020007.MP4", frames[border:])):
        write_video(folder / name, part, 12)
    shown = []
    for source in (recording, folder):
        capsys.readouterr()
        assert main(["watch", str(model), str(source), "--format", "csv", "-q"]) == 0
        shown.append(capsys.readouterr())
    whole, joined = (list(csv.DictReader(io.StringIO(one.out))) for one in shown)
    assert "Joined 2 files" in shown[1].err
    assert [row["label"] for row in joined] == [row["label"] for row in whole]
    for row, expected in zip(joined, whole, strict=True):
        is_second = float(expected["start"]) >= border / 12
        name = f"GX0{1 + is_second}0007.MP4"
        assert row["recording"] == str(folder / name)
        start = float(expected["start"]) - is_second * border / 12
        assert float(row["start"]) == pytest.approx(start, abs=0.2)
    table = tmp_path / "events.csv"
    assert main(["watch", str(model), str(folder), "-o", str(table), "-q"]) == 0
    assert main(["budget", str(table)]) == 0
    counted = capsys.readouterr().out
    assert all(row["label"] in counted for row in joined)
    assert main(["watch", str(model), str(folder), "-q", "--join", "off"]) == 0
    assert "Joined" not in capsys.readouterr().err
