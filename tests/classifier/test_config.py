import json
from typing import Any

import pytest

from fewact import methods
from fewact.classifier import config as module
from fewact.classifier.calibration import Calibration
from fewact.classifier.config import (
    STATE,
    Config,
    SavedBackbone,
    SavedMethod,
    from_text,
    parse,
    to_text,
)
from fewact.classifier.examples import Example
from fewact.errors import ModelError

CONFIG = Config(
    backbone=SavedBackbone(
        name="b", weights="~/höhe.safetensors", precision="float32", card={"mean": [0.1, 0.2]}
    ),
    method=SavedMethod(name="fusion", options={"lengths": [1, 2], "weight": 0.1}),
    calibration=Calibration(0.1 + 0.2, "held-out clips", 7, 100 / 7),
    clips=(Example("a.mp4", "跳"), Example("b.mp4", "höhe", 0.1, 2.5, "anna")),
    files={STATE: "0" * 64},
)


def edited(**changes: Any) -> str:
    """The text of a config with other content and the right hash."""
    content = json.loads(to_text(CONFIG))
    content.pop("sha256")
    content |= changes
    content = {name: value for name, value in content.items() if value is not ...}
    return json.dumps({**content, "sha256": module._digest(content)})


def test_there_and_back() -> None:
    assert from_text(to_text(CONFIG), "x") == CONFIG
    assert "跳" in to_text(CONFIG)


def test_layout_does_not_matter_but_content_does() -> None:
    text = to_text(CONFIG)
    assert from_text(json.dumps(json.loads(text), sort_keys=True), "x") == CONFIG
    for old, new in (("a.mp4", "c.mp4"), ("0.1", "0.2"), ('"method"', '"Method"'), ("anna", "bo")):
        assert old in text
        with pytest.raises(ModelError, match="damaged or edited"):
            from_text(text.replace(old, new), "x")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 10**5])
def test_what_is_no_model(text: str) -> None:
    assert parse(text) is None
    with pytest.raises(ModelError, match="x: this is no saved classifier"):
        from_text(text, "x")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"calibration": ...}, "calibration: Field required"),
        ({"clips": [{"name": "a", "label": "b"}]}, "fewer than two classes"),
        ({"clips": [{"name": "a"}]}, "clips.0.label"),
        ({"files": {"../x": "0", STATE: "0"}}, "files that no model has: ../x"),
        ({"files": {"thumbnail-0001.jpg": "0"}}, "no hash of state"),
    ],
)
def test_content_that_no_version_has(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_text(edited(**changes), "x")
    assert says in str(caught.value)


def test_newer_and_unknown_versions() -> None:
    with pytest.raises(ModelError, match=r"newer version \(got 4, written by fewact 9.*Update"):
        from_text(edited(version=4, fewact="9.0"), "x")
    for version in (0, -1, "1", None, [1], ...):
        with pytest.raises(ModelError, match="version is not known"):
            from_text(edited(version=version), "x")


def test_models_of_version_1_are_read_but_those_of_fusion() -> None:
    protonet = SavedMethod(name="protonet", options={})
    old = edited(version=1, method=protonet.model_dump(mode="json"))
    assert from_text(old, "x").method == protonet
    with pytest.raises(ModelError, match=r"earlier form of fusion.*Teach again"):
        from_text(edited(version=1), "x")


@pytest.mark.parametrize(
    ("cameras", "changed"),
    [
        ("taught", {}),
        ("still", {"trend": "mean", "motion_weight": 1.0, "whole_weight": 1.5}),
        (None, {}),
    ],
)
def test_fusion_of_version_2_goes_on_as_of_cameras_that_moved(
    cameras: str | None, changed: dict[str, Any]
) -> None:
    kept = {"trend": "line", "motion_weight": 2.0, "whole_weight": 0.5}
    own = {} if cameras is None else {"cameras": cameras, "still_shift": 1.0}
    method = {"name": "fusion", "options": kept | own}
    found = from_text(edited(version=2, method=method), "x").method
    assert found.options == kept | changed | {"cameras": "moving"}
    methods.create("fusion", **found.options)


def test_older_versions_are_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "version": 0, "clips": content["videos"]}

    def second(content: dict[str, Any]) -> dict[str, Any]:
        return {**{k: v for k, v in content.items() if k != "videos"}, "version": 3}

    monkeypatch.setattr(module, "MIGRATIONS", {-1: first, 0: second})
    content = json.loads(to_text(CONFIG))
    old = edited(version=-1, videos=content["clips"], clips=...)
    assert from_text(old, "x") == CONFIG
