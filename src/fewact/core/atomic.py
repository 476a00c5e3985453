"""Atomic files and folders: written completely or not at all, and checked before the work begins.

A file or folder is written under a temporary name beside its target, synced to disk and renamed. A
writer locks what it writes, and the system releases the lock when the writer ends, however it ends.
What is not locked is therefore a leftover, if this machine would see the lock: the name says that
this machine wrote it since it was started, or the disk is this machine's alone. Nothing else is
removed: in a shared folder another machine may be writing.

No system call swaps two folders on every platform, so an old folder is first renamed to a backup.
If a backup is found without the folder after a crash, the backup is the valid one.
"""

import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

from fewact.core.errors import OutputError, UserError

try:
    import fcntl
except ImportError:  # Windows: no locks of whole files or folders, so leftovers stay.
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")

LOOKS = 100
"""Number of times that something is looked for before it is missing: each time another process may
have replaced it after it was found."""

CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
"""Errors of disks that cannot sync folders."""

REPLACE = "Replace it with --overwrite, or choose another file."
"""Hint for an output that exists and was not to be replaced."""

TRIED = bytes(4096)
"""Content that is written to try an output; a full disk or a limit refuses it."""

NAME = re.compile(r"\..*\.([0-9a-f]{8})-[0-9a-f]{8}\.new", re.DOTALL)
LONGEST = 200
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
    """Write a text file atomically, in UTF-8, and return its path.

    Raises:
        OutputError: The file cannot be written; the old one is unchanged.
    """
    # A file name may have bytes that are not UTF-8; in JSON, the escape is read as the same name.
    return write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file atomically and return its path.

    Raises:
        OutputError: The file cannot be written; the old one is unchanged.
    """
    with replacing(path) as new:
        new.write_bytes(content)
    return path


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, synced to disk; nothing happens if it exists.

    Raises:
        OSError: It cannot be created.
    """
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
    """Sync a file or folder to disk; some disks and Windows cannot sync folders.

    Raises:
        OSError: The disk reports an error.
    """
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
    """Refuse a target that exists and is not a regular file, such as a folder or a device.

    Raises:
        OutputError: It is not a regular file.
        OSError: Its name is invalid.
    """
    mode = mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        what = "this is a folder" if stat.S_ISDIR(mode) else "this is not a regular file"
        raise OutputError(what, where=str(path), expected="a file, or a new name")


def mode_of(path: Path) -> int | None:
    """Return the mode of a file or folder; None if there is none.

    Raises:
        OSError: The name is invalid, or a parent cannot be searched.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into an error of the user that names the output.

    Raises:
        OutputError: The block raised an OSError, other than one of a closed pipe.
        BrokenPipeError: The block wrote to a closed pipe: that is never this output.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot be written: {reason.lower()}", where=str(path)) from error


def check_output_file(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that cannot be written.

    Args:
        path: File that will be created or replaced.
        inputs: Files that are read.

    Raises:
        OutputError: It is a folder, a device or an input, a parent is not a folder, or the disk
            refuses.
    """
    with output_errors(path):
        check_file(path)
        if os.path.exists(path) and any(os.path.exists(i) and path.samefile(i) for i in inputs):
            raise OutputError(
                "the input would be replaced", where=str(path), hint="Choose another name."
            )
        _try(path.resolve() if path.is_symlink() else path)


def check_output_folder(path: Path, *, replaced: bool = False) -> None:
    """Refuse a folder that cannot be created or filled.

    Args:
        path: Folder that will be created, or get new files.
        replaced: Whether an existing folder will be replaced as a whole.

    Raises:
        OutputError: It or a parent is not a folder, or the disk refuses.
    """
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


def backup_of(folder: Path) -> Path:
    """Return the path of the old folder while the folder is being replaced."""
    return folder.with_name(f".{folder.name}.previous")


def read_replaced(find: Callable[[], Path], read: Callable[[Path], T]) -> T:
    """Read something that another process may replace meanwhile; then it is read again.

    Args:
        find: Function that returns where it is now.
        read: Function that reads it from there.

    Raises:
        UserError: It cannot be read, and was not replaced meanwhile.
        OSError: The same.
    """
    while True:
        location = _find(find)
        try:
            return read(location[0])
        except (UserError, OSError):
            if _find(find) == location:
                raise


def replace_folder(folder: Path, fill: Callable[[Path], None], owns: Callable[[str], bool]) -> None:
    """Create a folder or replace it.

    After a crash, a power loss or a full disk the old folder is complete, in its place or at
    ``backup_of(folder)``. Of several processes that replace a folder, the last one's stays.

    Args:
        folder: Absolute path of the folder; its parents are created.
        fill: Function that writes the content into a new, empty folder.
        owns: Function that returns for an entry name whether it is replaced; others are kept.

    Raises:
        OutputError: The folder cannot be written.
    """
    with output_errors(folder):
        make_folder(folder.parent)
        with temporary(folder, folder=True) as new:
            fill(new)
            for path in (*new.iterdir(), new):
                sync(path)
            with holding(folder.parent):
                _recover(folder, owns)
                _swap(folder, new)
                _recover(folder, owns)


def recover(folder: Path, owns: Callable[[str], bool]) -> None:
    """Finish or undo a replacement that was interrupted.

    Args:
        folder: Folder that was being replaced.
        owns: Function that returns for an entry name whether it is replaced; others are kept.

    Raises:
        OutputError: Files cannot be renamed.
    """
    with output_errors(folder):
        if backup_of(folder).is_dir():
            with holding(folder.parent):
                _recover(folder, owns)


def _find(find: Callable[[], Path]) -> tuple[Path, tuple[int, ...] | None]:
    """Return where something is, and its identity; None if it is missing."""
    for _ in range(LOOKS):
        path = find()
        if (identity := _identity(path)) is not None:
            break
    return path, identity


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what no two files or folders have in common; a new one may get an old one's number."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _swap(folder: Path, new: Path) -> None:
    previous, inside = backup_of(folder), _is_current(folder)
    if folder.exists():
        os.rename(folder, previous)
    try:
        sync(folder.parent)
        os.rename(new, folder)
    except BaseException:
        if previous.exists():
            os.rename(previous, folder)
        raise
    if inside:  # Else this process would be in the old folder, which is removed.
        os.chdir(folder)
    sync(folder.parent)


def _is_current(folder: Path) -> bool:
    try:
        return folder.samefile(os.curdir)
    except OSError:  # One of them does not exist.
        return False


def _recover(folder: Path, owns: Callable[[str], bool]) -> None:
    previous = backup_of(folder)
    if not previous.is_dir():
        return
    if not folder.exists():
        os.rename(previous, folder)
        sync(folder.parent)
        return
    for entry in previous.iterdir():
        if not owns(entry.name):
            os.rename(entry, folder / entry.name)
    sync(folder)
    sync(previous)  # Else the entries may be back in it after a power loss, and be discarded.
    discard(previous, of=folder)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time renames its entries.

    The lock stays with the folder if that is renamed. Windows, and disks without locks, have none.

    Raises:
        OSError: The folder cannot be opened.
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
