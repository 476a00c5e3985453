import itertools
import multiprocessing
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fewact.core import atomic as module
from fewact.core.atomic import backup_of, read_replaced, recover, replace_folder
from fewact.core.errors import OutputError

OWN = ("config", "state")


def owns(name: str) -> bool:
    return name in OWN


def fill(content: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        for name in OWN:
            (folder / name).write_text(content)

    return run


def content(folder: Path) -> str:
    """Return the content of a complete folder; fail on one that is half old and half new."""
    return whole(current(folder))


def current(folder: Path) -> Path:
    """Return where a folder is now: its path, or between the two renames that of its backup."""
    return folder if folder.exists() else backup_of(folder)


class PowerCut(BaseException):
    pass


@contextmanager
def failing(at: int, error: type[BaseException], *, permanently: bool) -> Iterator[None]:
    """Let the at-th disk operation fail; with ``permanently`` all later ones too."""
    calls = 0

    def broken(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at or (permanently and calls > at):
                raise error("No space left on device")
            return real(*args, **options)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.os, "rename", broken(os.rename))
        patch.setattr(module.os, "fsync", broken(os.fsync))
        patch.setattr(shutil, "rmtree", broken(shutil.rmtree))
        patch.setattr(Path, "write_text", broken(Path.write_text))
        patch.setattr(Path, "mkdir", broken(Path.mkdir))
        yield


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "mine"
    replace_folder(folder, fill("old"), owns)
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more" / "x").write_text("mine too")
    return folder


def test_folders_are_created_and_replaced(old: Path) -> None:
    assert content(old) == "old"
    replace_folder(old, fill("new"), owns)
    assert content(old) == "new"
    assert (old / "notes.txt").read_text() == "mine"
    assert (old / "more" / "x").read_text() == "mine too"
    assert [entry.name for entry in old.parent.iterdir()] == ["mine"]


def test_the_current_folder_can_be_replaced(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(old)
    for new in ("first", "second"):
        replace_folder(Path.cwd(), fill(new), owns)
        assert content(Path()) == new


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    replace_folder(tmp_path / "mine", fill("new"), owns)
    assert content(tmp_path / "mine") == "new"


def test_old_files_missing_from_the_new_folder_are_deleted(old: Path) -> None:
    replace_folder(old, lambda folder: (folder / "config").write_text("new"), owns)
    assert sorted(entry.name for entry in old.iterdir()) == ["config", "more", "notes.txt"]


def test_a_full_disk_leaves_a_complete_folder(old: Path) -> None:
    for at in itertools.count(1):
        with failing(at, OSError, permanently=False):
            try:
                replace_folder(old, fill(f"new {at}"), owns)
            except OutputError:
                pass
            else:
                break
        assert content(old) in ("old", f"new {at}")
        assert old.exists()
        if content(old) == "old":
            assert [entry.name for entry in old.parent.iterdir()] == ["mine"]
        replace_folder(old, fill("old"), owns)
        assert (old / "notes.txt").read_text() == "mine"
        assert (old / "more" / "x").read_text() == "mine too"
    assert at > 8


def test_a_power_cut_at_any_step_leaves_a_complete_folder(old: Path) -> None:
    for at in itertools.count(1):
        with failing(at, PowerCut, permanently=True):
            try:
                replace_folder(old, fill(f"new {at}"), owns)
            except PowerCut:
                pass
            else:
                break
        assert content(old) in ("old", f"new {at}")
        replace_folder(old, fill("old"), owns)
        assert content(old) == "old"
        assert not backup_of(old).exists()
        assert (old / "notes.txt").read_text() == "mine"
        assert (old / "more" / "x").read_text() == "mine too"
    assert at > 8


def test_recover_undoes_or_finishes_a_replacement(old: Path) -> None:
    os.rename(old, backup_of(old))
    recover(old, owns)
    assert content(old) == "old"
    assert not backup_of(old).exists()
    os.rename(old, backup_of(old))
    fill("new")(old.parent)
    old.mkdir()
    fill("new")(old)
    recover(old, owns)
    assert content(old) == "new"
    assert (old / "notes.txt").read_text() == "mine"
    assert not backup_of(old).exists()


def test_files_that_are_open_elsewhere_do_not_fail_a_replacement(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a network disk an open file that is removed stays as ``.nfs…``, and so does its folder."""
    remove = os.unlink

    def keep_open(path: str, *, dir_fd: int | None = None) -> None:
        if os.fspath(path).endswith("state"):
            os.rename(path, ".nfs0000", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        elif not os.fspath(path).endswith(".nfs0000"):
            remove(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", keep_open)
        for number in range(3):
            replace_folder(old, fill(f"new {number}"), owns)
            assert content(old) == f"new {number}"
            assert not backup_of(old).exists()
    assert sorted(entry.name for entry in old.iterdir()) == ["config", "more", "notes.txt", "state"]
    replace_folder(old, fill("closed"), owns)
    assert [entry.name for entry in old.parent.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_renamed_keeps_the_old_content(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a folder with an open file cannot be renamed."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "The process cannot access the file")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OutputError, match="cannot access the file"):
            replace_folder(old, fill("new"), owns)
    assert content(old) == "old"
    assert [entry.name for entry in old.parent.iterdir()] == ["mine"]
    replace_folder(old, fill("new"), owns)
    assert content(old) == "new"


def write_often(folder: Path, name: str) -> None:
    for number in range(200):
        replace_folder(folder, fill(f"{name} {number}"), owns)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be renamed")
def test_writers_and_readers_do_not_disturb_each_other(old: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    writers = [processes.Process(target=write_often, args=(old, name)) for name in "abc"]
    for one in writers:
        one.start()
    found = set()
    while any(one.is_alive() for one in writers):
        found.add(read_replaced(lambda: current(old), whole))
    for one in writers:
        one.join()
    assert [one.exitcode for one in writers] == [0, 0, 0]
    assert len(found) > 3
    assert (old / "notes.txt").read_text() == "mine"
    assert [entry.name for entry in old.parent.iterdir()] == ["mine"]


def whole(path: Path) -> str:
    """Return the content of a folder; one that is replaced while it is read is not whole."""
    config, state = ((path / name).read_text() for name in OWN)
    if config != state:
        raise OutputError("half old and half new")
    return config


def test_what_is_replaced_while_it_is_read_is_read_again(old: Path) -> None:
    reads = 0

    def read(path: Path) -> str:
        nonlocal reads
        reads += 1
        if reads == 1:
            os.rename(old, backup_of(old))
        if reads == 2:
            assert path == backup_of(old)
            replace_folder(old, fill("new"), owns)
        return whole(path)

    assert read_replaced(lambda: current(old), read) == "new"
    assert reads == 3
    shutil.rmtree(old)
    with pytest.raises(FileNotFoundError):
        read_replaced(lambda: current(old), read)
    assert reads == 4


def test_what_is_replaced_each_time_that_it_is_looked_for_is_not_missing(old: Path) -> None:
    """It is found at its backup, and has gone from there when it is looked at, more than once."""
    looks = 0

    def find() -> Path:
        nonlocal looks
        looks += 1
        return current(old) if looks > 5 else backup_of(old)

    assert read_replaced(find, whole) == "old"
    assert looks == 6


def test_permissions_are_the_defaults_of_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "default").mkdir()
    replace_folder(tmp_path / "mine", fill("new"), owns)
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "default").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permissions")
@pytest.mark.parametrize("mode", [0o700, 0o2770])
def test_a_replaced_folder_keeps_its_permissions(old: Path, mode: int) -> None:
    old.chmod(mode)
    replace_folder(old, fill("new"), owns)
    assert content(old) == "new"
    assert stat.S_IMODE(old.stat().st_mode) == mode
