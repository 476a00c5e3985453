"""Paths that users write."""

import os
from pathlib import Path

import pytest

from fewact.core.errors import DataError, UserError
from fewact.core.paths import clip_path, home_expanded, user_path
from tests.refused import refused


def test_paths_without_a_home_and_with_nul_are_refused() -> None:
    with refused(UserError, where="~nobody-has-this-name/clips"):
        user_path("~nobody-has-this-name/clips")
    for text in ("a\0b", "", "\ud800"):
        with refused(DataError, got=repr(text)):
            user_path(text, DataError)
    for no_path in (None, 3, ["a"], b"a"):
        with refused(DataError, got=type(no_path).__name__):
            user_path(no_path, DataError)  # type: ignore[arg-type]
    for name in ("x" * 300, "x/" * 5000):
        with refused(DataError, where=f"{name[:60]}…"):
            user_path(name, DataError)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_home_is_expanded(home: Path) -> None:
    for written in ("~/a.mp4", Path("~/a.mp4")):
        assert user_path(written) == clip_path(written) == home / "a.mp4"
    assert clip_path(Path("a.mp4")) == Path("a.mp4")
    assert home_expanded(f"--output=~{os.sep}a b.csv") == f"--output={home}{os.sep}a b.csv"
    assert home_expanded("~") == str(home)
    for argument in ("a~", "~a", "--x=a~/b", "~=b", "-o"):
        assert home_expanded(argument) == argument


def test_a_file_whose_name_begins_with_the_sign_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~nobody-has-this-name.mp4").touch()
    assert user_path("~nobody-has-this-name.mp4") == Path("~nobody-has-this-name.mp4")
