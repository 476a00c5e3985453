"""Temporary files and folders beside their target, and what killed writers left of them.

A writer locks what it writes, and the system releases the lock when the writer ends, however it
ends. What is not locked is therefore a leftover, if this machine would see the lock: the name
says that this machine wrote it since it was started, or the disk is this machine's alone. Nothing
else is removed: in a shared folder another machine may be writing.
"""

import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks of whole files or folders, so leftovers stay.
    fcntl = None  # type: ignore[assignment]

NAME = re.compile(r"\..*\.([0-9a-f]{8})-[0-9a-f]{8}\.new", re.DOTALL)
LONGEST = 200
"""Number of bytes of the target's name in a temporary name; most disks allow 255 in all."""

OWN_DISKS = ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs")


@contextmanager
def temporary(target: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a new, locked file or folder beside a target; at the end it is removed if it is there.

    It has the permissions of the target, if there is one, and its owner can write it. What killed
    writers of the same target left is removed before.

    Args:
        target: Path beside which it is created, in an existing folder.
        folder: Whether to create a folder.

    Raises:
        OSError: It cannot be created.
    """
    remove_leftovers(target.parent, of=target)
    new, lock = _create(target, folder=folder)
    try:
        _copy_permissions(target, new)
        yield new
    finally:
        _remove(new)
        if lock is not None:
            os.close(lock)


def remove_leftovers(folder: Path, *, of: Path | None = None) -> None:
    """Remove what killed writers left in a folder, as far as they are known to be dead.

    Args:
        folder: Folder that is searched; its subfolders are not.
        of: Target whose leftovers are removed (default: all).
    """
    start = "." if of is None else _start(of)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(start)]
    except OSError:
        return
    for name in names:
        if match := NAME.fullmatch(name):
            _remove_if_dead(folder / name, match[1])


def discard(folder: Path, *, of: Path) -> None:
    """Remove a folder that a target has replaced.

    What cannot be removed now is a leftover, which the next writer of the target removes: on a
    network disk, files that are still read elsewhere keep their folder (``.nfs…``).

    Args:
        folder: Folder beside the target.
        of: Target that has replaced it.

    Raises:
        OSError: It cannot be renamed.
    """
    leftover = _new_name(of)
    os.rename(folder, leftover)
    _remove(leftover)


def is_empty(folder: Path) -> bool:
    """Return whether a folder has no entries but temporary ones.

    Raises:
        OSError: It cannot be read.
    """
    return all(is_temporary(entry.name) for entry in folder.iterdir())


def is_temporary(name: str) -> bool:
    """Return whether a name is one of a temporary file or folder."""
    return NAME.fullmatch(name) is not None


def _create(target: Path, *, folder: bool) -> tuple[Path, int | None]:
    while True:
        new = _new_name(target)
        if folder:
            new.mkdir()
        else:
            os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        try:
            lock = _lock(new)
        except (BlockingIOError, FileNotFoundError):
            continue  # Another process took it for a leftover before it was locked, and removes it.
        if lock is None or _is(new, lock):
            return new, lock
        os.close(lock)


def _copy_permissions(target: Path, new: Path) -> None:
    with suppress(FileNotFoundError):
        default = stat.S_IMODE(new.stat().st_mode)
        mode = stat.S_IMODE(target.stat().st_mode) | default & stat.S_IRWXU
        if mode != default:
            new.chmod(mode)


def _new_name(target: Path) -> Path:
    return target.with_name(f"{_start(target)}{_machine()}-{os.urandom(4).hex()}.new")


def _start(target: Path) -> str:
    return f".{os.fsdecode(os.fsencode(target.name)[:LONGEST])}."


def _lock(path: Path) -> int | None:
    """Return the handle of the lock; None if this file cannot be locked by any process.

    Raises:
        BlockingIOError: Another process holds it.
        FileNotFoundError: Another process removed the file.
    """
    if fcntl is None:
        return None
    handle = None
    try:
        mode = os.O_RDONLY if path.is_dir() else os.O_RDWR
        handle = os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if handle is not None:
            os.close(handle)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None
    return handle


def _is(path: Path, handle: int) -> bool:
    """Return whether a handle is of the file or folder that has this path now."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except OSError:
        return False


def _remove_if_dead(path: Path, machine: str) -> None:
    if machine != _machine() and not _on_own_disk(path.parent):
        return
    try:
        lock = _lock(path)
    except (BlockingIOError, FileNotFoundError):
        return
    if lock is None:
        return
    try:
        if _is(path, lock):
            _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@cache
def _machine() -> str:
    """Return eight hexadecimal digits of this machine since it was started.

    The containers on a machine have the same, and see each other's locks.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return f"{uuid.getnode() & 0xFFFFFFFF:08x}"


def _on_own_disk(folder: Path) -> bool:
    """Return whether a folder is known to be on a disk that no other machine writes to (Linux)."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
        resolved = folder.resolve()
    except OSError:
        return False
    type_of = {}
    for line in mounts:
        _, place, type, *_ = line.split(" ")
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place)
        if resolved.is_relative_to(place):
            type_of[Path(place)] = type
    nearest = max(type_of, key=lambda place: len(place.parts), default=None)
    return nearest is not None and type_of[nearest] in OWN_DISKS
