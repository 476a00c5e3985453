"""Files are written completely or not at all."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from fewact.core.atomic import make_folder, replacing, write_text
from fewact.core.errors import OutputError
from tests.refused import refused


def fail_halfway(target: Path) -> None:
    with replacing(target) as new:
        new.write_text("half")
        raise KeyError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = write_text(tmp_path / "below" / "file.txt", "complete\n")
    with pytest.raises(KeyError):
        fail_halfway(target)
    assert target.read_text() == "complete\n"
    assert list(target.parent.iterdir()) == [target]


def test_a_closed_pipe_is_no_error_of_the_file(tmp_path: Path) -> None:
    target = write_text(tmp_path / "file.txt", "complete\n")
    with pytest.raises(BrokenPipeError), replacing(target):
        raise BrokenPipeError
    with (
        refused(OutputError, where="file.txt", what="no space left"),
        replacing(target),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "complete\n"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions")
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    target = write_text(tmp_path / "file.txt", "old")
    target.chmod(0o600)
    with replacing(target) as new:
        assert stat.S_IMODE(new.stat().st_mode) == 0o600  # before it has any content
        new.write_text("new")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o600)
    target.chmod(0o444)
    write_text(target, "newer")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("newer", 0o644)


def test_concurrent_writes_of_a_file_do_not_interfere(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_text("one")
        second.write_text("two")
    assert target.read_text() == "one"


def test_a_folder_that_another_process_creates_meanwhile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Path.mkdir

    def late(path: Path) -> None:
        create(path)
        create(path)

    monkeypatch.setattr(Path, "mkdir", late)
    make_folder(tmp_path / "new" / "deep")
    assert (tmp_path / "new" / "deep").is_dir()


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(NotADirectoryError):
            make_folder(path)
