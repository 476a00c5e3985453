"""Estimators by name: registered ones, the user's, and what is said where one is missing."""

from pathlib import Path

import pytest

from fewact import poses
from fewact.core.errors import ExtensionError, ExtraError, OptionError, UserError, WeightsError
from tests.poses.made_up import STILL

MODULE = "tests.poses.made_up"


@pytest.fixture
def without_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path))


@pytest.mark.usefixtures("without_networks")
def test_without_networks_there_is_none() -> None:
    pytest.importorskip("ai_edge_litert", reason='LiteRT is missing: pip install "fewact[pose]"')
    assert poses.find() is None
    with pytest.raises(WeightsError) as caught:
        poses.create()
    assert "fewact poses --install" in caught.value.hint


def test_without_litert_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExtraError) as caught:
        poses.create("mediapipe")
    assert caught.value.extra == "pose"


def test_installed_networks_are_found(networks_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(networks_file.parent.parent))
    found = poses.find()
    assert found is not None
    assert (found.name, found.layout) == ("mediapipe", "pose33:xyzc")
    named = poses.create(f"mediapipe:{networks_file}")
    assert named.name == f"mediapipe:{networks_file}"


def test_off_is_none() -> None:
    assert poses.find("off") is None
    with pytest.raises(OptionError):
        poses.create("off")


def test_an_estimator_of_the_user() -> None:
    function = poses.create(f"{MODULE}:brightest")
    assert (function.name, function.layout) == (f"{MODULE}:brightest", "2:xyc")
    assert poses.create(f"{MODULE}:STILL") is STILL


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("openpose", OptionError),
        (f"{MODULE}:missing", ExtensionError),
        ("tests.poses.no_module:f", ExtensionError),
        (f"{MODULE}:NOTHING", ExtensionError),
    ],
)
def test_other_names_are_refused(name: str, error: type[UserError]) -> None:
    with pytest.raises(UserError) as caught:
        poses.create(name)
    assert isinstance(caught.value, error) or name == "openpose"
    assert "mediapipe" in caught.value.expected or "layout" in caught.value.expected


def test_registered_names_can_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poses.ESTIMATORS, "_entries", dict(poses.ESTIMATORS._entries))
    poses.register("still")(lambda file: STILL)
    assert poses.create("still") is STILL
    assert poses.names()[-1] == "still"
