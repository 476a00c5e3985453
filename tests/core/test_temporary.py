"""Temporary files: removed by the next writer when their writer is known to be dead."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fewact.core import atomic as module
from fewact.core.atomic import is_empty, remove_leftovers, temporary, write_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere leftovers stay")

HERE = module._machine()
ELSEWHERE = f"{int(HERE, 16) ^ 1:08x}"


def hold(target: Path) -> None:
    with temporary(target) as new:
        new.write_text("half")
        time.sleep(60)


@contextmanager
def writer(target: Path) -> Iterator[BaseProcess]:
    """A process that has written half of a target and goes on."""
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(target,))
    process.start()
    while not leftovers(target.parent):
        time.sleep(0.01)
    yield process
    process.kill()
    process.join()


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".new")]


def planted(folder: Path, machine: str = HERE, name: str = "r.json") -> Path:
    path = folder / f".{name}.{machine}-0123abcd.new"
    path.write_text("half")
    return path


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with writer(target) as process:
        write_text(tmp_path / "model", "while the other writes")
        assert len(leftovers(tmp_path)) == 1  # it is alive
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert len(leftovers(tmp_path)) == 1
    write_text(target, "whole")
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_one_that_is_taken_for_a_leftover_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finds it before it is locked: it removes it, or is about to."""
    lock = module._lock
    taken: list[Path] = []

    def late(path: Path) -> int | None:
        if len(taken) < 2:
            taken.append(path)
            handle = lock(path)  # a handle of its own: as in another process
            assert handle is not None
            if len(taken) == 1:
                module._remove(path)
                os.close(handle)
        return lock(path)

    monkeypatch.setattr(module, "_lock", late)
    with temporary(tmp_path / "model") as new:
        assert new not in taken
        monkeypatch.undo()
        remove_leftovers(tmp_path)
        assert new.exists()
    assert len(taken) == 2


def test_only_leftovers_of_the_target_are_removed(tmp_path: Path) -> None:
    other = planted(tmp_path, name="other.json")
    planted(tmp_path)
    mine = [tmp_path / ".r.json.new", tmp_path / ".r.json.notes.new", tmp_path / "r.json.new"]
    mine += [tmp_path / ".r.json.0123abcd.new", tmp_path / f".r.json.{HERE}-0123abcd.new.txt"]
    for path in mine:
        path.write_text("of the user")
    write_text(tmp_path / "r.json", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([*mine, other, tmp_path / "r.json"])
    remove_leftovers(tmp_path)
    assert not other.exists()


def test_what_another_machine_may_be_writing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_on_own_disk", lambda folder: False)  # a network folder
    theirs, ours = planted(tmp_path, ELSEWHERE), planted(tmp_path)
    remove_leftovers(tmp_path)
    assert theirs.exists()
    assert not ours.exists()


def test_what_was_left_before_the_machine_was_started_again_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_on_own_disk", lambda folder: True)
    planted(tmp_path, ELSEWHERE)
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_disks_of_this_machine_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    real = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda self, **given: real(mounts if str(self) == "/proc/self/mounts" else self, **given),
    )
    inside = tmp_path / "with space" / "deep"
    inside.mkdir(parents=True)
    place = str(inside.parent).replace(" ", "\\040")
    for type, own in (("nfs4", False), ("cifs", False), ("fuse.sshfs", False), ("xfs", True)):
        mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {place} {type} rw 0 0\n")
        assert module._on_own_disk(inside) is own
        assert module._on_own_disk(tmp_path)


def test_a_link_named_like_a_leftover_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "thesis.txt"
    target.write_text("mine")
    link = tmp_path / f".r.json.{HERE}-0123abcd.new"
    link.symlink_to(target)
    remove_leftovers(tmp_path)
    assert target.read_text() == "mine"


def test_a_disk_without_locks_keeps_leftovers_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", no_locks)
    left = planted(tmp_path)
    write_text(tmp_path / "r.json", "whole")
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / "r.json"]


def test_a_folder_with_leftovers_only_is_empty(tmp_path: Path) -> None:
    planted(tmp_path)
    assert is_empty(tmp_path)
    (tmp_path / "x").touch()
    assert not is_empty(tmp_path)


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "ä" * 127):
        assert write_text(tmp_path / name, "whole").read_text() == "whole"
