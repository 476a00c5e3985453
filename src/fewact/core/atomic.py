"""Atomic files: written completely or not at all, and checked before the work begins.

A file is written under a temporary name beside its target, synced to disk and renamed. A writer
locks its temporary file, and the system releases the lock when the writer ends, even if it is
killed. A temporary file without a lock is therefore stale if this machine would see the lock:
if this boot of this machine wrote it, as its name says, or if the disk is local. No other file is
removed: in a shared folder another machine may be writing.
"""

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

from fewact.core.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: no locks of whole files or folders, so leftovers stay.
    fcntl = None  # type: ignore[assignment]

CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
"""Errors of disks that cannot sync folders."""

REPLACE = "Replace it with --overwrite, or choose another file."
"""Hint for an output that exists and was not to be replaced."""

TRIED = bytes(4096)
"""Content that is written to try an output; a full disk or a limit refuses it."""

NAME = re.compile(r"\..*\.([0-9a-f]{8})-[0-9a-f]{8}\.new", re.DOTALL)
NAME_BYTES = 200
"""Number of bytes of the target's name in a temporary name; most disks allow 255 in all."""

OWN_DISKS = ("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that replaces the target when the block ends.

    The file is synced and renamed, and its folder is synced: after a power loss the target is the
    old or the new file, and it is the new one once this returns. If the block fails, the target is
    unchanged. Temporary files that killed writers of the target left are removed.

    Args:
        path: Target file; its parent folders are created. If it is a symbolic link, the file that
            it points to is replaced.

    Raises:
        OutputError: The file cannot be written.
    """
    with output_errors(path):
        check_file(path)
        path = path.resolve() if path.is_symlink() else path
        make_folder(path.parent)
        with temporary(path) as new:
            yield new
            sync(new)
            os.replace(new, path)
            sync(path.parent)


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically, in UTF-8, and return its path."""
    # A file name may have bytes that are not UTF-8; in JSON, the escape is read as the same name.
    return write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file atomically and return its path."""
    with replacing(path) as new:
        new.write_bytes(content)
    return path


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, synced to disk; nothing happens if it exists."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)
            ) from None
    sync(folder.parent)  # Also if another process created it: it may not be synced yet.


def sync(path: Path) -> None:
    """Sync a file or folder to disk; some disks and Windows cannot sync folders."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder or error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def check_file(path: Path) -> None:
    """Refuse a target that exists and is not a regular file, such as a folder or a device."""
    mode = mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        what = "this is a folder" if stat.S_ISDIR(mode) else "this is not a regular file"
        raise OutputError(what, where=str(path), expected="a file, or a new name")


def mode_of(path: Path) -> int | None:
    """Return the mode of a file or folder; None if there is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into an ``OutputError``, unless it wrote to a closed pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot be written: {reason.lower()}", where=str(path)) from error


def check_output_file(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that cannot be created or replaced, or that is one of the inputs."""
    with output_errors(path):
        check_file(path)
        if os.path.exists(path) and any(os.path.exists(i) and path.samefile(i) for i in inputs):
            raise OutputError(
                "the input would be replaced", where=str(path), hint="Choose another name."
            )
        _try(path.resolve() if path.is_symlink() else path)


def check_output_folder(path: Path, *, replaced: bool = False) -> None:
    """Refuse a folder that cannot be created or filled, or ``replaced`` as a whole if it exists."""
    with output_errors(path):
        mode = mode_of(path)
        if mode is not None and not stat.S_ISDIR(mode):
            raise OutputError("this is not a folder", where=str(path), expected="a folder")
        if replaced and os.path.ismount(path):
            raise OutputError(
                "a mount point cannot be replaced", where=str(path), expected="a folder below it"
            )
        path = path.resolve()
        _try(path if replaced or mode is None else path / path.name)


def _try(path: Path) -> None:
    """Write and remove a file where the output, or the first of its new parents, will be."""
    path = path.absolute()
    while mode_of(path.parent) is None:
        path = path.parent
    if not path.parent.is_dir():
        raise OutputError("this is not a folder", where=str(path.parent), expected="a folder")
    with TemporaryFile(dir=path.parent) as new:  # It has no name, so a crash leaves nothing.
        new.write(TRIED)
        new.flush()


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time renames its entries.

    The lock stays with the folder if that is renamed. Windows, and disks without locks, have none.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # A disk without locks.
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """Yield a new, locked file beside a target; at the end it is removed if it is there.

    It has the permissions of the target, if there is one, and its owner can write it. Temporary
    files that killed writers of the same target left are removed first.
    """
    remove_leftovers(target.parent, of=target)
    new, lock = _create(target)
    try:
        _copy_permissions(target, new)
        yield new
    finally:
        _remove(new)
        if lock is not None:
            os.close(lock)


def remove_leftovers(folder: Path, *, of: Path | None = None) -> None:
    """Remove the temporary files of killed writers from a folder, for one target or for all."""
    start = "." if of is None else _start(of)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(start)]
    except OSError:
        return
    for name in names:
        if match := NAME.fullmatch(name):
            _remove_if_dead(folder / name, match[1])


def is_empty(folder: Path) -> bool:
    """Return whether a folder has no entries but temporary ones."""
    return all(is_temporary(entry.name) for entry in folder.iterdir())


def is_temporary(name: str) -> bool:
    """Return whether a name has the form of a temporary file's."""
    return NAME.fullmatch(name) is not None


def _create(target: Path) -> tuple[Path, int | None]:
    while True:
        new = target.with_name(f"{_start(target)}{_machine()}-{os.urandom(4).hex()}.new")
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


def _start(target: Path) -> str:
    return f".{os.fsdecode(os.fsencode(target.name)[:NAME_BYTES])}."


def _lock(path: Path) -> int | None:
    """Return the handle of the lock; None if the disk cannot lock this file.

    Raises:
        BlockingIOError: Another process holds it.
        FileNotFoundError: Another process removed the file.
    """
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if handle is not None:
            os.close(handle)
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None
    return handle


def _is(path: Path, handle: int) -> bool:
    """Return whether the file of a handle still has this path."""
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
    with suppress(OSError):
        path.unlink()


@cache
def _machine() -> str:
    """Return eight hexadecimal digits for this boot of this machine.

    Containers on one machine have the same digits, and see each other's locks.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return f"{uuid.getnode() & 0xFFFFFFFF:08x}"


def _on_own_disk(folder: Path) -> bool:
    """Return whether a folder is on a disk that no other machine writes to (Linux only)."""
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
