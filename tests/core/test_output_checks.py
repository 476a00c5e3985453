"""Outputs that cannot be written are refused before the work; links, limits and devices."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fewact.core.atomic import check_output_file, check_output_folder, write_text
from fewact.core.errors import OutputError
from tests.refused import refused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths of Linux")

BAD = ["/proc/x", "/proc/x/y/z", "/dev/null/x", "/dev/full", "/dev/null", "/sys/x", "x" * 256]


@pytest.mark.parametrize("path", BAD)
def test_bad_places_are_refused(path: str) -> None:
    for check in (check_output_file, check_output_folder):
        with refused(OutputError, where=path.split("/")[1] if "/" in path else path):
            check(Path(path))
    with pytest.raises(OutputError):
        write_text(Path(path), "x")


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for check in (check_output_file, check_output_folder):
        check(tmp_path / "new")
        check(tmp_path / "new/deep/er")
    check_output_file(tmp_path / "file")
    check_output_folder(tmp_path)
    check_output_folder(tmp_path, replaced=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_and_folders_are_not_confused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with refused(OutputError, where=str(tmp_path), expected="a file"):
        check_output_file(tmp_path)
    for name in ("file/x", "file/x/y"):
        with refused(OutputError, where="file", expected="a folder"):
            check_output_file(tmp_path / name)
    for name in ("file", "pipe"):
        with refused(OutputError, where=name, expected="a folder"):
            check_output_folder(tmp_path / name)
    with refused(OutputError, where="pipe", expected="a file"):
        write_text(tmp_path / "pipe", "x")


def test_a_mount_point_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    check_output_folder(tmp_path)
    with refused(OutputError, where=str(tmp_path), expected="a folder below it"):
        check_output_folder(tmp_path, replaced=True)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "r.json")
    write_text(tmp_path / "link", "one")
    write_text(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "r.json").read_text() == "two"
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_limit_of_file_sizes_keeps_the_old_file(tmp_path: Path) -> None:
    target = write_text(tmp_path / "r.json", "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with refused(OutputError, where="r.json", what="file too large"):
            write_text(target, "x" * 2000)
        with refused(OutputError, what="file too large"):
            check_output_file(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("disks can be mounted by root only")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_or_read_only_disk_is_known_before(small_disk: Path) -> None:
    target = write_text(small_disk / "r.json", "old")
    check_output_file(target)
    with refused(OutputError, what="no space left on device"):
        write_text(target, "x" * 200_000)
    (small_disk / "fill").write_bytes(bytes(124 * 1024))
    for check in (check_output_file, check_output_folder):
        with refused(OutputError, what="no space left on device"):
            check(small_disk / "new")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for check in (check_output_file, check_output_folder):
        with refused(OutputError, what="read-only file system"):
            check(small_disk / "new")
    assert target.read_text() == "old"
    assert len(list(small_disk.iterdir())) == 2
