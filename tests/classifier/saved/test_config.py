import json
from pathlib import Path
from typing import Any

import pytest

from fewact.classifier.calibration import Calibration
from fewact.classifier.example import Example
from fewact.classifier.open_set import OpenSet
from fewact.classifier.saved.config import (
    STATE,
    VERSION,
    Config,
    SavedBackbone,
    SavedMethod,
    from_text,
    is_config,
    to_text,
    with_hash,
)
from fewact.classifier.saved.errors import LostModelError
from fewact.core.errors import ModelError

CONFIG = Config(
    backbone=SavedBackbone(
        name="b", weights="~/höhe.safetensors", precision="float32", card={"mean": [0.1, 0.2]}
    ),
    method=SavedMethod(name="fusion", options={"lengths": [1, 2], "weight": 0.1}),
    calibration=Calibration(0.1 + 0.2, "held-out clips", 7, 100 / 7),
    open_set=OpenSet((0.1,), (0.1 + 0.2, -1.5), (0.0, 1.0)),
    examples=(Example("a.mp4", "跳"), Example("b.mp4", "höhe", 0.1, 2.5, "anna")),
    files={STATE: "0" * 64},
)


def edited(**changes: Any) -> str:
    """Return the text of a config with changed content and the correct hash."""
    content = json.loads(to_text(CONFIG))
    content.pop("sha256")
    content |= changes
    content = {name: value for name, value in content.items() if value is not ...}
    return with_hash(content)


def test_a_config_survives_writing_and_reading() -> None:
    assert from_text(to_text(CONFIG), "x") == CONFIG
    assert "跳" in to_text(CONFIG)


def test_formatting_may_change_but_content_may_not() -> None:
    text = to_text(CONFIG)
    assert from_text(json.dumps(json.loads(text), sort_keys=True), "x") == CONFIG
    for old, new in (("a.mp4", "c.mp4"), ("0.1", "0.2"), ('"method"', '"Method"'), ("anna", "bo")):
        assert old in text
        with pytest.raises(ModelError, match="damaged or edited"):
            from_text(text.replace(old, new), "x")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 10**5])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    assert not is_config(tmp_path / "config.json")
    with pytest.raises(ModelError, match="x: not a saved classifier"):
        from_text(text, "x")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"calibration": ...}, "calibration: Field required"),
        ({"examples": [{"name": "a", "label": "b"}]}, "fewer than two classes"),
        (
            {"examples": [{"name": "a", "label": "b"}, {"name": "a", "label": "c\n"}]},
            "no class name",
        ),
        ({"examples": [{"name": "a"}]}, "examples.0.label"),
        (
            {"examples": [{"name": "a", "label": "b", "page_file": f"../{'0' * 16}.mp4"}]},
            "examples.0.page_file",
        ),
        ({"files": {"../x": "0", STATE: "0"}}, "unknown files: ../x"),
        ({"files": {"thumbnail-0001.jpg": "0"}}, "no hash of state"),
    ],
)
def test_invalid_content_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_text(edited(**changes), "x")
    assert says in str(caught.value)


@pytest.mark.parametrize("sha256", ["right", "0" * 64, None, {"of": "all files"}])
def test_newer_versions_are_refused_whatever_their_hash(sha256: Any) -> None:
    """A newer version may compute the hash in another way: the file is not damaged."""
    text = edited(version=VERSION + 1, fewact="9.0", new_part={})
    if sha256 != "right":
        text = json.dumps({**json.loads(text), "sha256": sha256})
    with pytest.raises(ModelError) as caught:
        from_text(text, "x")
    said = str(caught.value)
    assert said.startswith(
        f"x: the model was written by a newer version of fewact (got version {VERSION + 1}"
    )
    assert "written by fewact 9.0" in said
    assert "Upgrade fewact: pip install --upgrade fewact" in said


def test_a_long_version_does_not_fill_the_message() -> None:
    with pytest.raises(ModelError) as caught:
        from_text(edited(version=VERSION + 1, fewact="9" * 10_000), "x")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("version", [VERSION - 1, 11, 0, -1])
def test_older_versions_are_refused(version: int) -> None:
    expected = rf"older version.*got version {version} .*expected: version {VERSION}.*Teach again"
    with pytest.raises(LostModelError, match=expected):
        from_text(edited(version=version), "x")


@pytest.mark.parametrize("version", [str(VERSION), float(VERSION), True, None, [1], ...])
def test_other_versions_are_refused(version: Any) -> None:
    with pytest.raises(
        ModelError, match=rf"unsupported version.*expected: version {VERSION}.*Teach again"
    ):
        from_text(edited(version=version), "x")
