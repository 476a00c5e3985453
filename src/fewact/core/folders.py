"""Atomic folders: replaced completely or not at all.

The new folder is filled beside the old one, synced to disk and renamed. No system call swaps two
folders on every platform, so the old folder is first renamed to a backup. If a backup is found
without the folder after a crash, the backup is the valid one.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fewact.core.atomic import make_folder, output_errors, sync
from fewact.core.errors import UserError
from fewact.core.locks import holding
from fewact.core.temporary import discard, temporary

T = TypeVar("T")

LOOKS = 100
"""Number of times that something is looked for before it is missing: each time another process may
have replaced it after it was found."""


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
