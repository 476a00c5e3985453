"""Outputs that cannot be written: one message, exit code 2, before the work begins."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import networks
from tests.lab.commands.test_train import RECIPE

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths of Linux")

COMMANDS: dict[str, tuple[str, ...]] = {
    "teach": ("teach", "{features}"),
    "teach from clips": ("teach", "{clips}"),
    "embed": ("embed", "{clips}"),
    "episodes": ("episodes", "{features}", "--ways", "2"),
    "evaluate": ("evaluate", "protonet", "--data", "{features}", "--ways", "2"),
    "sweep": ("evaluate", "protonet", "--data", "{features}", "--sweep", "temperature=1,2"),
    "train": ("train", "{recipe}", "--data", "{features}", "--device", "cpu"),
    "render": ("data", "render", "motions", "--videos", "1"),
    "check": ("data", "check", "hmdb51", "{clips}"),
    "demo": ("demo",),
}
PLACES = ("{file}/x", "{file}/x/y", "/dev/null/x", "/dev/full", "/proc/x", "x" * 256)


@pytest.fixture(scope="module")
def inputs(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("inputs")
    values = np.random.default_rng(0).standard_normal((30, 4, 16)).astype(np.float16)
    np.savez(folder / "mine.npz", features=values)
    splits = ("train", "val", "test")
    lines = [f"{i}\tclass {i % 6}\t{splits[i % 6 // 2]}" for i in range(30)]
    (folder / "mine.tsv").write_text("clip\tclass\tsplit\n" + "\n".join(lines) + "\n")
    (folder / "mine.toml").write_text(RECIPE)
    (folder / "file").write_text("of the user")
    return {
        "clips": str(clips),
        "features": str(folder / "mine.npz"),
        "recipe": str(folder / "mine.toml"),
        "file": str(folder / "file"),
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_output_is_known_before_the_work(
    run: Run, inputs: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(networks, "create", work)
    arguments = [one.format(**inputs) for one in COMMANDS[command]]
    for place in (one.format(**inputs) for one in PLACES):
        ended = run(*arguments, "-o", place)
        assert ended.code == 2, ended.err
        (line,) = ended.err.splitlines()
        assert line.startswith("Error: ")
        assert place.split("/x")[0][:60] in line  # a longer name is cut off
        assert not ended.out
    assert Path(inputs["file"]).read_text() == "of the user"


@pytest.mark.parametrize(
    "command",
    ["episodes", *(pytest.param(c, marks=pytest.mark.slow) for c in ("teach", "evaluate"))],
)
def test_a_limit_of_file_sizes_is_one_message(
    command: str, inputs: dict[str, str], tmp_path: Path
) -> None:
    arguments = [one.format(**inputs) for one in COMMANDS[command]]
    limited = "import resource, sys; sys.dont_write_bytecode = True; "  # no cut files of bytecode
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    limited += "from fewact.cli import main; sys.exit(main())"
    call = [sys.executable, "-c", limited, *arguments, "-o", str(tmp_path / "out")]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "cannot be written: file too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files in ([], ["out.progress"])


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
