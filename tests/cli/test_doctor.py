"""``fewact doctor``: facts of this machine, advice, exit code 0."""

import json
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import __version__, networks
from fewact.cli import doctor
from fewact.core.errors import WeightsError
from fewact.core.workers import thread_count

Run = Callable[..., Any]


def test_json_has_the_facts_of_this_machine(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    ended = run("doctor", "--format", "json")
    assert ended.code == 0
    found = json.loads(ended.out)
    assert found["versions"]["fewact"] == __version__
    assert found["versions"]["onnxruntime"]
    assert found["versions"]["numpy"] == np.__version__
    assert found["video"]["decoders"]["h264"] is True
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["threads"] == thread_count()
    assert found["default_weights"]["found"] is True
    assert found["default_weights"]["sha256"] == networks.create().card.weights_sha256
    assert found["default_weights"]["computed_right"] is True
    assert found["lab"]["works"] is True
    assert found["lab"]["torch"]
    assert found["transport"]["engine"]
    assert found["transport"]["why"]
    assert found["camera"]["engine"] in ("compiled", "numpy")
    assert found["cache"] == {"folder": str(tmp_path / "cache"), "writable": True}


def test_the_report_is_plain_text(run: Run) -> None:
    ended = run("doctor")
    assert ended.code == 0
    lines = ended.out.splitlines()
    for topic in (
        "versions",
        "video",
        "machine",
        "default weights",
        "transport",
        "camera",
        "cache",
        "poses",
        "lab",
        "advice",
    ):
        assert topic in lines
    assert f"  numpy: {np.__version__}" in lines
    assert "{" not in ended.out
    assert "True" not in ended.out


def test_problems_become_advice_not_errors(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "file" / "cache"))

    def create(*_: object, **__: object) -> None:
        raise WeightsError("the default weights' package is missing")

    monkeypatch.setattr(networks, "create", create)
    monkeypatch.setattr(doctor, "DECODERS", ("h264", "no-such-codec"))
    monkeypatch.setitem(sys.modules, "torch", None)
    ended = run("doctor", "--format", "json")
    assert ended.code == 0
    found = json.loads(ended.out)
    assert found["default_weights"]["found"] is False
    assert "package is missing" in found["default_weights"]["why"]
    assert found["cache"]["writable"] is False
    assert found["video"]["decoders"] == {"h264": True, "no-such-codec": False}
    advice = " ".join(found["advice"])
    assert "FEWACT_CACHE" in advice
    assert "no-such-codec" in advice
    assert "default weights are missing" in advice
    assert (found["lab"]["works"], "fewact[lab]" in found["lab"]["why"]) == (False, True)
    assert found["poses"]["works"] is False
    assert "fewact" in found["poses"]["why"]  # the command that installs what is missing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_is_not_writable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", lambda dir: FileIO("/dev/full", "w"))
    found = doctor._cache()
    assert (found["writable"], found["why"]) == (False, "No space left on device")


def test_a_file_is_no_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "file"))
    assert doctor._cache()["why"] == "Not a directory"
