"""Commands: found by name, imported when named, refused before heavy packages are imported."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier, __version__
from fewact.cli.app import COMMANDS, LazyCommands
from fewact.data import FeatureClip
from tests.cli.conftest import REFUSES_TORCH, refused, run_all, started

Run = Callable[..., Any]


def test_ctrl_c_right_after_the_start_is_quiet() -> None:
    """It comes while the command line is imported."""
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "import fewact.cli\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="descriptors are not inherited by number")
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
@pytest.mark.slow
def test_streams_that_are_closed_are_the_null_device(
    model: Path, clips: Path, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """As a daemon starts commands."""

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    out, taught = tmp_path / "out.txt", tmp_path / "taught"
    video = next(clips.rglob("*.mp4"))
    commands: dict[tuple[int, ...], list[tuple[list[object], int]]] = {
        (1,): [(["info", model], 0)],
        (2,): [(["predict", tmp_path / "no-model", video], 2)],
        (0, 1, 2): [
            (["teach", clips, "-o", taught, "--method", "pixels"], 0),
            (["predict", taught, video], 0),
        ],
    }
    for arguments, code in commands[closed]:
        with out.open("w") as file:
            process = started(*arguments, stdout=file, stderr=subprocess.PIPE, preexec_fn=close)
            _, errors = process.communicate()
        assert process.returncode == code
        assert "Traceback" not in errors
        assert "Error" not in out.read_text()
    assert taught.is_dir() == (len(closed) == 3)


def test_help_imports_no_heavy_package() -> None:
    code = (
        "import sys, fewact.cli\n"
        "code = fewact.cli.main(['--help'])\n"
        "heavy = {'torch', 'numba', 'numpy', 'av', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("as_module", [False, True])
def test_the_installed_command_prints_its_version(as_module: bool) -> None:
    script = Path(sys.executable).with_name("fewact")
    if not as_module and not script.exists():
        pytest.skip("the package is not installed as a command")
    command = [sys.executable, "-m", "fewact"] if as_module else [str(script)]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fewact {__version__}\n"
    assert not done.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_the_process_ends_with_the_exit_code_after_the_functions_of_atexit(code: int) -> None:
    program = (
        "import atexit, fewact.cli.app as app\n"
        f"app.main = lambda: (atexit.register(print, 'left'), {code})[1]\n"
        "class Slow:\n"
        "    def __del__(self): print('freed')\n"
        "slow = Slow()\n"
        "app.entry_point()\n"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=buffered
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "left\n", "")


def test_an_interrupt_outside_of_a_command_ends_the_process_as_python_does() -> None:
    program = (
        "import fewact.cli.app as app\n"
        "def main(): raise KeyboardInterrupt\n"
        "app.main = main\n"
        "app.entry_point()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode not in (0, 1)
    assert "KeyboardInterrupt" in done.stderr


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    for name in ("teach", "predict", "demo", "methods", "backbones", "doctor"):
        assert f"  {name} " in shown.out
    assert "..." not in shown.out.partition("Teach and predict:")[2]
    assert run("-h").out == shown.out


def test_summaries_of_commands_are_those_of_their_help_pages() -> None:
    """``fewact --help`` imports no command, so its summaries are written twice."""
    commands = LazyCommands()
    for group in COMMANDS.values():
        for name, (_, summary) in group.items():
            text = inspect.cleandoc(commands[name].help or "")
            assert " ".join(text.partition("\n\n")[0].split()) == summary, name


@pytest.mark.parametrize("name", [name for group in COMMANDS.values() for name in group])
def test_a_help_page_names_values_in_words_and_each_default_once(run: Run, name: str) -> None:
    shown = run(name, "--help")
    assert shown.code == 0
    assert " range>" not in shown.out
    for text in re.split(r"\n  (?=-)", shown.out):
        assert len(re.findall(r"[\[(]default:", text)) <= 1, text
    commands = shown.out.partition("\nCommands:\n")[2]
    assert "..." not in commands


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tech"], "tech"),
        (["teach"], "CLIPS"),
        (["teach", "x", "-o", "y", "--max-per-class", "0"], "--max-per-class"),
        (["predict", "model", "x", "--format", "yaml"], "--format"),
        (["doctor", "--verbose"], "--verbose"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(run: Run, arguments: list[str], message: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert message.lower() in ended.err.lower()
    assert not ended.out
    assert "Traceback" not in ended.err


REFUSED = [
    (["teach", "nowhere", "-o", "m"], r"nowhere: no such folder or table"),
    (["teach", "clips", "-o", "file/m"], r"file: this is not a folder"),
    (["teach", "clipz", "-o", "m"], r"clipz: no such folder.*Did you mean \"clips\"\?"),
    (["teach", "model", "-o", "m"], r"model: this is a saved model.*fewact predict MODEL"),
    (["teach", "clips", "-o", "m", "--device", "gpu"], r"'gpu'.*Did you mean \"cuda\"\?"),
    (["teach", "clips", "-o", "m", "--engine", "onx"], r"no such engine.*mean \"onnx\"\?"),
    (["teach", "clips", "-o", "m", "--precision", "half"], r"there is no such precision"),
    (["teach", "clips", "-o", "m", "--method", "fussion"], r"Did you mean \"fusion\"\?"),
    (["teach", "clips", "-o", "m", "--backbone", "resnet"], r"Did you mean \"resnet50\"\?"),
    (["predict", "a.mp4", "model"], r"this is a file.*The model comes first"),
    (["watch", "a.mp4", "model"], r"model comes first: fewact watch MODEL \[VIDEO\.\.\.\|CAMERA"),
    (["predict", "hf-hub:a/b", "a.mp4"], r"no such folder.*from_pretrained"),
    (["predict", "modle", "a.mp4"], r"modle: no such folder.*Did you mean \"model\"\?"),
    (["predict", "model", "b.mp4"], r"b.mp4: no clips found.*Did you mean \"a.mp4\"\?"),
    (["predict", "clips", "model"], r"clips: not a saved.*first: fewact predict MODEL VIDEO"),
    (["watch", "model", "b.mp4"], r"b.mp4: there is no such file.*Did you mean \"a.mp4\"\?"),
    (["watch", "model", "/dev/video99"], r"there is no camera /dev/video99"),
    (["watch", "model", "a.mp4", "-o", "e.xls"], r"unknown format of events.*'.xls'.*.srt"),
    (["watch", "model", "a.mp4", "-o", "file/e.csv"], r"file: this is not a folder"),
    (["watch", "model", "a.mp4", "--video", "a.txt"], r"unknown file extension.*'.txt'"),
    (["watch", "model", "a.mp4", "--video", "a.mp4"], r"the input would be replaced"),
    (["explain", "model", "b.mp4", "-o", "x.html"], r"there is no such file.*\"a.mp4\"\?"),
    (["explain", "model", "a.mp4", "-o", "x.pdf"], r"unknown format of a page.*'.pdf'"),
    (["match", "a.mp4", "b.mp4", "-o", "x.html"], r"b.mp4: there is no such file"),
    (["map", "model", "-o", "x.png"], r"unknown format of a page.*expected: .html"),
    (["test", "model", "clipz"], r"clipz: no such folder.*Did you mean \"clips\"\?"),
    (["stability", "file", "-o", "x.png"], r"unknown format of a chart.*expected: .svg"),
    (["teach", "clips", "-o", "model"], r"model: the folder already has a model.*--overwrite"),
    (["evaluate", "protonet", "--data", "./nowhere"], r"nowhere: no such folder or file"),
    (["evaluate", "otam", "--data", "clips", "-o", "file/r"], r"file: this is not a folder"),
    (["evaluate", "otam", "--data", "clips", "--episodes", "200"], r"number.*--count 200"),
    (["evaluate", "otam", "--data", "clips", "--episodes", "e.json"], r"there is no such file"),
    (["episodes", "clips", "-o", "file/e"], r"file: this is not a folder"),
    (["evaluate", "otam", "--data", "motion"], r"no folder, file or ben.*mean \"motions\"\?"),
    (["evaluate", "otam", "--data", "motions:lon"], r"unknown preset.*Did you mean \"long\"\?"),
    (["evaluate", "otam", "--data", "ssv2-full"], r"several lists.*expected: ssv2-full_otam"),
    (["train", "a2m2-clips-lite0", "--data", "clips.csv", "-o", "run"], r"no such folder or"),
    (["embed", "hmdb52", "-o", "s"], r"hmdb52: no folder, file or benchmark.*hmdb51_arn"),
    (["rename", "taught", "wawe", "x"], r"unknown class.*expected: clap, wave.*mean \"wave\""),
    (["rename", "taught", "wave", "clap"], r"the name is taken"),
    (["remove", "taught", "wawe"], r"no class or training clip.*expected: clap, wave"),
    (["remove", "taught", "clap", "5"], r"no clip has this number.*expected: 1 to 4"),
    (["move", "taught", "b.mp4", "clap"], r"no training clip has this name"),
    (["move", "taught", "a.mp4", "clap"], r"2 training clips have this name"),
    (["move", "taught", "1", "wawe"], r"unknown class.*expected: clap, wave"),
    (["compare", "r.json", "s.json"], r"r.json: there is no such file"),
    (["stability", "r.json"], r"r.json: there is no such file"),
]


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["serve"], "uvicorn", "web"),
        (["train", "no recipe", "-o", "run"], "lightning_fabric", "lab"),
        (["embed", ".", "-o", "store", "--ray", "local"], "ray", "ray"),
    ],
)
def test_a_missing_extra_is_named_first(
    run: Run,
    arguments: list[str],
    module: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    refused(run(*arguments), f'needs pip install "fewact[{extra}]" (got no {module})')
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked_before_torch_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clips" / "wave").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    for name in ("file", "a.mp4", "clips/wave/a.mp4", "model/model.safetensors"):
        (tmp_path / name).write_text("{}")
    draw = np.random.default_rng(0)
    clap, wave, *none = (
        FeatureClip(name, draw.standard_normal((4, 6), np.float32))
        for name in ("clap/a.mp4", "wave/a.mp4", "none/c.mp4", "none/d.mp4")
    )
    classifier = FewShotClassifier(method="protonet")
    classifier.fit({"clap": [clap], "wave": [wave]}, none=none).save(tmp_path / "taught")
    monkeypatch.chdir(tmp_path)
    outcomes = run_all([arguments for arguments, _ in REFUSED], REFUSES_TORCH)
    for (arguments, message), ended in zip(REFUSED, outcomes, strict=True):
        assert ended.code == 2, (arguments, ended)
        assert re.search(message, ended.err), (arguments, ended.err)
