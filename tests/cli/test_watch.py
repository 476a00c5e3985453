"""``fewact watch``: events of a recording, of a pipe and of a live source."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fewact.cli import main
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import STEPS, render

MOTIONS = ["left", "down", "down", "right"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watch")
    for motion in STEPS:
        for seed in range(3):
            render(root / "clips" / motion / f"{seed}.mp4", motion, seed)
    assert main(["teach", str(root / "clips"), "-o", str(root / "model"), "--quiet"]) == 0
    return root / "model"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("long")
    clips = [render(root / f"{i}.mp4", motion, 30 + i) for i, motion in enumerate(MOTIONS)]
    frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
    return write_video(root / "long.mkv", frames, 12)


def labels(text: str) -> list[str]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return [row["label"] for row in rows for _ in range(int(row["repetitions"]))]


@pytest.mark.slow
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


def test_wrong_outputs_are_refused_before_the_work(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "no model", "no video", "-o", str(tmp_path / "events.txt")]) == 2
    assert ".csv, .json, .vtt, .srt" in capsys.readouterr().err
    assert main(["watch", str(model), "no video.mp4"]) == 2
    assert "there is no such file" in capsys.readouterr().err


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
