"""How commands end: exit codes, one message for each error, pipes and interruption."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fewact.classifier
from fewact.core.errors import DataError
from fewact.video import VideoWarning
from tests.cli.conftest import started

Run = Callable[..., Any]


def test_names_of_files_do_not_control_the_terminal(run: Run, tmp_path: Path) -> None:
    done = run("predict", tmp_path / "model\x1b[2J\r", "wave.mp4")
    assert done.code == 2
    assert "model\\x1b[2J\\r" in done.err


def replace_predict_each(monkeypatch: pytest.MonkeyPatch, *results: object) -> None:
    """Make predictions raise exceptions, issue warnings and yield everything else."""

    def predict_each(self: object, paths: object, timing: object = None) -> object:
        for result in results:
            if isinstance(result, Warning):
                warnings.warn(result, stacklevel=1)
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result

    monkeypatch.setattr(fewact.classifier.FewShotClassifier, "predict_each", predict_each)


def test_a_bug_shows_a_traceback(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predict_each(monkeypatch, RuntimeError("the moon is made of cheese"))
    ended = run("predict", model, clips)
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "the moon is made of cheese" in ended.err
    assert "bug in fewact" in ended.err


@pytest.mark.parametrize(
    ("results", "code", "message"),
    [
        ([DataError("too blue", where="sky", got="blue")], 2, "Error: sky: too blue (got blue)\n"),
        (
            [OSError(28, "No space left on device", "result.svg")],
            2,
            "Error: result.svg: No space left on device\n",
        ),
        (
            [VideoWarning("a.mp4: 3 frames\n are lost"), VideoWarning("b.mp4: 1 frame is lost")],
            0,
            "Warning: a.mp4: 3 frames are lost\nWarning: b.mp4: 1 frame is lost\n",
        ),
        ([KeyboardInterrupt()], 130, ""),
    ],
    ids=["error of the user", "full disk", "warnings", "interruption"],
)
def test_what_goes_wrong_is_one_line(
    run: Run,
    model: Path,
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: list[BaseException],
    code: int,
    message: str,
) -> None:
    replace_predict_each(monkeypatch, *results)
    ended = run("predict", model, clips)
    assert (ended.code, ended.err) == (code, message)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interruption_keeps_finished_predictions(
    model: Path, clips: Path, tmp_path: Path
) -> None:
    clip = next(clips.rglob("*.mp4"))
    folder = tmp_path / ("long" * 50)  # more output than a pipe holds: the process cannot end first
    folder.mkdir()
    for i in range(500):
        (folder / f"{i}.mp4").write_bytes(clip.read_bytes())
    process = started(
        *("predict", model, folder, "--format", "jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Processes in the background, and their children, ignore interruptions.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert first.startswith('{"path":')
    assert process.returncode == 130
    assert not message


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_closes_the_pipe_is_not_an_error(model: Path, clips: Path) -> None:
    process = started(
        *("predict", model, clips, "--format", "jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert not message


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("argument", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_prints_nothing(argument: str, unbuffered: str) -> None:
    code = (
        "import os, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "from fewact.cli import main\n"
        f"sys.exit(main([{argument!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert done.returncode == 0
    assert not done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["methods", "--help"])
def test_a_full_or_closed_standard_output_is_one_message(argument: str) -> None:
    call = [
        sys.executable,
        "-c",
        "import sys; from fewact.cli import main; sys.exit(main())",
        argument,
    ]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr == "Error: output: No space left on device\n"
    assert ended.returncode == 2
