"""The cache folder: the platform's default, or the one in an environment variable."""

import sys
from pathlib import Path

import pytest

from fewact.core.machine import cache_folder


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".cache/fewact"),
        ("darwin", "Library/Caches/fewact"),
        ("win32", "AppData/Local/fewact"),
    ],
)
def test_the_default_cache_folder_depends_on_the_platform(
    monkeypatch, tmp_path, platform, expected
):
    for name in ("FEWACT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(lambda: tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == tmp_path / expected


def test_environment_variables_override_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("FEWACT_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "fewact"
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.mark.skipif(sys.platform == "win32", reason="another variable names the home folder")
def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FEWACT_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("FEWACT_CACHE", "~nobody-of-this-name/own")
    assert cache_folder() is None
