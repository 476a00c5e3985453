"""Embedding and evaluation are killed, continue, and give the same bytes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact.features.store import Job
from tests.cli.conftest import CLASSES, SHOTS

Run = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by SIGKILL"),
]

MAIN = """
import sys
from fewact.cli import main
from fewact.features.store import Job
Job.__init__.__kwdefaults__["block"] = 1
sys.exit(main())
"""

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def kill_when(enough: Callable[[], bool], *arguments: object) -> None:
    """Run a command, and kill it as soon as ``enough`` is true."""
    process = subprocess.Popen([sys.executable, "-c", MAIN, *map(str, arguments)], **QUIET)
    while not enough():
        assert process.poll() is None, "the process has ended"
        time.sleep(0.002)
    process.kill()
    process.wait()


def tree(folder: Path) -> dict[str, bytes]:
    """Content of all shards, without temporary files of a killed process."""
    files = (f for f in folder.rglob("*.safetensors") if not f.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_killed_commands_continue_to_the_same_bytes(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Job.__init__.__kwdefaults__, "block", 1)
    embed = ("embed", clips, "--features", "vectors:2", "--precision", "float32", "-o")
    assert run(*embed, tmp_path / "complete").code == 0
    store = tmp_path / "store"

    def shards() -> int:
        return len(list(store.glob("sets/*/*.safetensors")))

    for _ in range(2):
        wanted = shards() + 1
        kill_when(lambda wanted=wanted: shards() >= wanted, *embed, store)
        assert shards() < len(CLASSES) * SHOTS
    assert run(*embed, store).code == 0
    assert tree(store) == tree(tmp_path / "complete")

    evaluate = ("evaluate", "protonet", "--data", clips, "--store", store, "--ways", 3)
    evaluate += ("--option", "frames=2", "--count", 50_000, "-o")
    assert run(*evaluate, tmp_path / "whole.json").code == 0
    progress = tmp_path / "result.json.progress"

    def lines() -> int:
        return progress.read_bytes().count(b"\n") if progress.exists() else 0

    kill_when(lambda: lines() >= 20, *evaluate, tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()
    assert run(*evaluate, tmp_path / "result.json").code == 0
    assert (tmp_path / "result.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
