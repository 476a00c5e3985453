"""How commands end: exit codes, messages, pipes, interruption; and what starting costs."""

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
from fewact import __version__
from fewact.errors import DataError
from fewact.video import VideoWarning

Run = Callable[..., Any]

MAIN = "import sys; from fewact.cli import main; sys.exit(main())"


def started(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, fewact.cli\n"
        "code = fewact.cli.main(['--help'])\n"
        "heavy = {'torch', 'numba', 'numpy', 'av', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_version_and_the_installed_command() -> None:
    command = Path(sys.executable).with_name("fewact")
    if not command.exists():
        pytest.skip("the package is not installed as a command")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fewact {__version__}\n"
    assert not done.stderr


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    for name in ("teach", "predict", "demo", "methods", "backbones", "doctor"):
        assert f"  {name} " in shown.out
    assert "..." not in shown.out.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tech"], "tech"),
        (["teach"], "CLIPS"),
        (["teach", "x", "-o", "y", "--max-per-class", "0"], "--max-per-class"),
        (["predict", "model", "x", "--format", "yaml"], "--format"),
        (["doctor", "--verbose"], "--verbose"),
    ],
)
def test_wrong_usage_is_the_users_fault(run: Run, arguments: list[str], told: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert told.lower() in ended.err.lower()
    assert not ended.out
    assert "Traceback" not in ended.err


def replace_predict_each(monkeypatch: pytest.MonkeyPatch, *results: object) -> None:
    """Have predictions raise what is an exception, and warn of what is a warning."""

    def predict_each(self: object, paths: object, timing: object = None) -> object:
        for result in results:
            if isinstance(result, Warning):
                warnings.warn(result, stacklevel=1)
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result

    monkeypatch.setattr(fewact.classifier.FewShotClassifier, "predict_each", predict_each)


def test_our_fault_shows_a_traceback(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predict_each(monkeypatch, RuntimeError("the moon is made of cheese"))
    ended = run("predict", model, clips)
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "the moon is made of cheese" in ended.err
    assert "bug in fewact" in ended.err


def test_the_users_fault_is_one_message(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predict_each(monkeypatch, DataError("too blue", where="sky", got="blue"))
    ended = run("predict", model, clips)
    assert ended.code == 2
    assert ended.err == "Error: sky: too blue (got blue)\n"


def test_a_full_disk_is_no_fault_of_ours(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predict_each(monkeypatch, OSError(28, "No space left on device", "result.svg"))
    ended = run("predict", model, clips)
    assert ended.code == 2
    assert ended.err == "Error: result.svg: No space left on device\n"


def test_warnings_are_one_line_each(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = VideoWarning("a.mp4: 3 frames\n are lost")
    replace_predict_each(monkeypatch, lost, VideoWarning("b.mp4: 1 frame is lost"))
    ended = run("predict", model, clips)
    assert ended.code == 0
    assert ended.err == "Warning: a.mp4: 3 frames are lost\nWarning: b.mp4: 1 frame is lost\n"


def test_interruption_is_quiet(
    run: Run, model: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_predict_each(monkeypatch, KeyboardInterrupt())
    ended = run("predict", model, clips)
    assert ended.code == 130
    assert not ended.err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_real_interruption_keeps_what_was_done(model: Path, clips: Path, tmp_path: Path) -> None:
    clip = next(clips.rglob("*.mp4"))
    folder = tmp_path / ("long" * 50)  # More is told than a pipe holds: it cannot end before it.
    folder.mkdir()
    for i in range(500):
        (folder / f"{i}.mp4").write_bytes(clip.read_bytes())
    process = started(
        *("predict", model, folder, "--format", "jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, interruptions are ignored, and by children, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert first.startswith('{"path":')
    assert process.returncode == 130
    assert not told


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_goes_is_no_fault(model: Path, clips: Path) -> None:
    process = started(
        *("predict", model, clips, "--format", "jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert not told


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("argument", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_quiet(argument: str, unbuffered: str) -> None:
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
