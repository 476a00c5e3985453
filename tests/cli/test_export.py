"""``fewact export --file`` and ``fewact import``."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fewact import FewShotClassifier
from fewact.lab.networks.export import missing_packages
from tests.classifier.models import edit

Run = Callable[..., Any]


def test_a_model_goes_through_a_file_and_replaces_another(
    run: Run, model: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(model, tmp_path / "mine")
    (mine / "page").mkdir()
    (mine / "page" / "clip.mp4").write_bytes(b"private")
    assert run("rename", mine, "growing", "waxing").code == 0
    ended = run("export", mine, "--file", tmp_path / "a.safetensors")
    assert (ended.code, ended.err) == (0, "")
    assert b"private" not in (tmp_path / "a.safetensors").read_bytes()
    ended = run("info", tmp_path / "a.safetensors")
    assert (ended.code, "waxing" in ended.out) == (0, True)
    ended = run("import", tmp_path / "a.safetensors", tmp_path / "new")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(one.name for one in (tmp_path / "new").iterdir()) == [
        *("README.md", "config.json", "model.safetensors"),
    ]
    assert tuple(FewShotClassifier.load(tmp_path / "new").classes_) == (
        "moving left",
        "turning",
        "waxing",
    )
    other = shutil.copytree(model, tmp_path / "other")
    before = (other / "model.safetensors").read_bytes()
    ended = run("import", tmp_path / "a.safetensors", other)
    hint = "Replace it with --overwrite, or choose another folder."
    assert ended.err == f"Error: {other}: the folder already has a model. {hint}\n"
    assert (ended.code, ended.out, (other / "model.safetensors").read_bytes()) == (2, "", before)
    assert run("import", tmp_path / "a.safetensors", other, "--overwrite").code == 0
    assert "waxing" in FewShotClassifier.load(other).classes_
    assert run("undo", other).code == 0
    assert "growing" in FewShotClassifier.load(other).classes_


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.skipif(bool(missing_packages()), reason="the extra onnx is not installed")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_during_the_export_of_the_network(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch may report it as an error of its own; the command was interrupted all the same."""

    def export(*_: Any, **__: Any) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Failed to export the model") from None

    monkeypatch.setattr(torch.onnx, "export", export)
    ended = run("export", model, "--onnx", tmp_path / "encoder.onnx")
    assert (ended.code, ended.out, ended.err) == (130, "", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(bool(missing_packages()), reason="the extra onnx is not installed")
def test_a_network_in_int8_is_not_exported(run: Run, model: Path, tmp_path: Path) -> None:
    def in_int8(content: dict[str, Any]) -> None:
        content["backbone"]["spec"]["precision"] = content["backbone"]["card"]["precision"] = "int8"

    folder = shutil.copytree(model, tmp_path / "model")
    edit(folder, in_int8)
    ended = run("export", folder, "--onnx", tmp_path / "encoder.onnx")
    hint = "Teach the model again, with precision float32."
    assert ended.err == f"Error: {folder}: a network in int8 cannot be exported. {hint}\n"
    assert ended.code == 2


def test_what_cannot_be_exported_or_imported_is_one_message(
    run: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no model")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert run("export", model, "--file", tmp_path / "b.safetensors").code == 0
    for arguments, message in [
        (("export", model), "nothing to export"),
        (("export", model, "--file", tmp_path), "this is a folder"),
        (("export", model, "--onnx", "-o", tmp_path / "a.onnx"), "expected: --onnx FILE"),
        (("export", model, "--file", "--onnx", tmp_path / "a.onnx"), "expected: --file FILE"),
        (("import", tmp_path / "nowhere.safetensors", tmp_path / "new"), "there is no such file"),
        (("import", tmp_path / "a.safetensors", tmp_path / "new"), "not a saved classifier"),
        (("import", tmp_path / "b.safetensors", tmp_path / "full"), "the folder has other files"),
        (("import", tmp_path / "b.safetensors", tmp_path / "a.safetensors"), "not a folder"),
    ]:
        ended = run(*arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert message in ended.err
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
