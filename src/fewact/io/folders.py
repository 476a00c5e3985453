"""Atomic folders: replaced completely or not at all.

The new folder is filled beside the old one, synced to disk and renamed. No system call swaps two
folders on every platform, so the old folder is first renamed to a backup. If a backup is found
without the folder after a crash, the backup is the valid one.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path


def backup_of(folder: Path) -> Path:
    """Return the path of the old folder while the folder is being replaced."""
    return folder.with_name(f".{folder.name}.previous")


def replace_folder(folder: Path, fill: Callable[[Path], None], owns: Callable[[str], bool]) -> None:
    """Create a folder or replace it.

    After a crash or a full disk the old folder is complete, in its place or at
    ``backup_of(folder)``.

    Args:
        folder: Absolute path of the folder; its parents are created.
        fill: Function that writes the content into a new, empty folder.
        owns: Function that returns for an entry name whether it is replaced; others are kept.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder, owns)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    new.mkdir()
    try:
        fill(new)
        for path in (*new.iterdir(), new):
            _sync(path)
        if folder.exists():
            os.rename(folder, backup_of(folder))
        try:
            os.rename(new, folder)
        except BaseException:
            if backup_of(folder).exists():
                os.rename(backup_of(folder), folder)
            raise
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _sync(folder.parent)
    recover(folder, owns)


def recover(folder: Path, owns: Callable[[str], bool]) -> None:
    """Finish or undo a replacement that was interrupted.

    Args:
        folder: Folder that was being replaced.
        owns: Function that returns for an entry name whether it is replaced; others are kept.

    Raises:
        OSError: Files cannot be renamed.
    """
    previous = backup_of(folder)
    if not previous.is_dir():
        return
    if not folder.exists():
        os.rename(previous, folder)
        return
    for entry in previous.iterdir():
        if not owns(entry.name):
            os.rename(entry, folder / entry.name)
    shutil.rmtree(previous)


def _sync(path: Path) -> None:
    """Sync a file or folder to disk; Windows cannot sync folders."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
