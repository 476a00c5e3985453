"""Locks between processes."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fewact.core.locks import exclusive, locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one process has its locks twice")


def test_a_file_is_locked_until_its_handle_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        handle = exclusive(path)
        assert handle is not None
        assert exclusive(path) is None
        os.close(handle)
        assert path.is_file()


def test_a_file_that_is_locked_after_it_was_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, others = tmp_path / "lock", list[int | None]()
    open_file = os.open

    def slow_open(*arguments: Any) -> int:
        handle = open_file(*arguments)
        monkeypatch.undo()
        others.append(exclusive(path))
        return handle

    monkeypatch.setattr(os, "open", slow_open)
    assert exclusive(path) is None
    (other,) = others
    assert other is not None
    os.close(other)


def test_on_a_disk_without_locks_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fewact.core.locks.fcntl.flock", refuse)
    handles = [exclusive(tmp_path / "lock") for _ in range(2)]
    for handle in handles:
        assert handle is not None
        os.close(handle)


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as first, locked(path) as second:
        assert (first, second) == (True, False)
        assert path.exists()
    assert not path.exists()
    with locked(path) as again:
        assert again
