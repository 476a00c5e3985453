"""Files of models that their makers changed, with the right hashes: refused, or they work."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier import history
from fewact.classifier.file import MODEL
from fewact.core.errors import ModelError, UserError
from fewact.networks import weights
from tests.classifier.models import Tensors, edit

Change = Callable[[dict[str, Any]], None]


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a model."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def setting(name: str, value: Any) -> Change:
    """Return a change that sets a field of the header, named by its path."""

    def change(part: Any) -> None:
        *path, last = name.split("/")
        for key in path:
            part = part[int(key) if isinstance(part, list) else key]
        part[last] = value

    return change


def labelling(label: str) -> Change:
    def change(header: dict[str, Any]) -> None:
        for example in header["examples"]:
            if example["label"] == "left":
                example["label"] = label

    return change


HOSTILE: dict[str, Change] = {
    f"{name} {value!r}"[:60]: setting(name, value)
    for name, values in {
        "integers": (True, "x"),
        "backbone/spec/name": ("x", "../../x", "precomputed"),
        "backbone/spec/precision": ("x", 3),
        "backbone/spec/size": (-32, 10**12, "x"),
        "backbone/spec/options": ({"x": 1}, []),
        "backbone/card": ({}, [], "x"),
        "backbone/card/name": ("x", None, -1),
        "backbone/card/input_size": ([0, 0], [10**9, 10**9], "x"),
        "backbone/card/std": ([0, 0, 0], [1, 1], None, [1e308] * 3),
        "backbone/card/weights_sha256": ("0" * 64,),
        "method/name": ("x", "../x", None),
        "method/options": ({"grid": 0}, {"grid": 10**9}, {"grid": "x"}, {"x": 1}, []),
        "calibration/temperature": (0, -1, "x", None, float("nan")),
        "calibration/text_weight": (0.5, 2),
        "open_set/inside": ([0.0], [0.0] * 9, ["x"] * 3, [float("inf")] * 3),
        "open_set/known": ([1e308] * 9,),
        "open_set/untaught": ([],),
        "false_alarms": (0, 2, "x"),
        "sets": (0, 1, "x"),
        "trim": ("x", 3),
        "thumbnails": (True, "x"),
        "examples": ([], {}, "x"),
        "examples/0/name": ("", 3),
        "examples/0/start": (-1, float("nan"), "x"),
        "examples/0/stored_file": ("../x.mp4", "/etc/passwd"),
        "examples/0/duration": (0, float("inf")),
        "class_names": ({}, "x"),
    }.items()
    for value in values
} | {
    f"action {name!r}": labelling(name)
    for name in ("(none)", "NONE", " left", "", "a\nb", "e\N{COMBINING ACUTE ACCENT}")
}
"""Changes of the header of a model, whose hashes are right, that are refused."""

HOSTILE_TENSORS: dict[str, dict[str, np.ndarray | None]] = {
    "missing": {"nodes.frames": None},
    "of another shape": {"nodes.frames": np.zeros((9, 8, 48), np.float32)},
    "too few rows": {"nodes.frames": np.zeros((8, 8, 49), np.float32)},
    "not finite": {"nodes.frames": np.full((9, 8, 49), np.nan, np.float32)},
    "unknown node alone": {"nodes.frames": None, "nodes.x": np.zeros((9, 2), np.float32)},
    "unknown parameter": {"method.x": np.zeros(2, np.float32)},
    "unlisted thumbnail": {"thumbnail-0001.jpg": np.zeros(9, np.float32)},
    "thumbnail without the others": {"thumbnail.0001": np.zeros(9, np.uint8)},
    "path": {"../x": np.zeros(9, np.float32)},
    "class names without a text encoder": {"class_names": np.zeros((3, 9), np.float32)},
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow) if number % 6 else case
        for number, case in enumerate([*HOSTILE, *HOSTILE_TENSORS])
    ],
)
def test_a_hostile_file_replaces_nothing(model: Path, tmp_path: Path, case: str) -> None:
    mine = shutil.copytree(model, tmp_path / "mine")
    before = content(mine)

    def change(tensors: Tensors) -> None:
        for name, value in HOSTILE_TENSORS.get(case, {}).items():
            tensors.pop(name, None)
            if value is not None:
                tensors[name] = value

    edit(model, HOSTILE.get(case, lambda content: None), change)
    with pytest.raises(UserError):
        history.install(model / MODEL, mine)
    assert content(mine) == before
    assert history.versions(mine) == []
    # The same file as a former version is not brought back.
    (mine / "history").mkdir(exist_ok=True)
    shutil.copy(model / MODEL, mine / "history" / "000001.safetensors")
    if not any(part in case for part in ("/card/", "/spec/", "shape")):  # the network says it
        with pytest.raises(UserError):
            history.undo(mine)
        assert content(mine) == before


def test_a_model_does_not_open_the_files_that_it_names(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only weights that the user named on this machine are opened, wherever the model came from."""
    secret = tmp_path / "secret.safetensors"
    secret.write_text("mine")
    opened: list[str] = []
    monkeypatch.setattr(weights, "_read_file", lambda path, source: opened.append(source))
    for named in (str(secret), f"local-dir:{tmp_path}", "//server/share/w.safetensors"):
        edit(model, setting("backbone/spec/weights", named))
        with pytest.raises(ModelError):
            FewShotClassifier.load(model)
        with pytest.raises(ModelError):
            history.install(model / MODEL, tmp_path / "new")
    assert opened == []
    assert not (tmp_path / "new").exists()
