"""Write a folder as a whole or not at all.

The new folder is filled beside the old one, synced to disk and renamed into its place. No call
swaps two folders everywhere, so the old one steps aside for a moment under a name of its own; who
finds it there after a crash knows that it still is the one that counts.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path


def aside(folder: Path) -> Path:
    """Where a folder's predecessor is while it is replaced."""
    return folder.with_name(f".{folder.name}.previous")


def replace_folder(folder: Path, fill: Callable[[Path], None], owns: Callable[[str], bool]) -> None:
    """Put a new folder in the place of an old one, or where there is none.

    A crash or a full disk at any moment leaves the old folder whole, here or at ``aside(folder)``.

    Args:
        folder: To be replaced; an absolute path. Its parents are made.
        fill: Writes what the new folder holds.
        owns: Whether an entry of this name is replaced; all others move into the new folder.

    Raises:
        OSError: It cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    settle(folder, owns)
    new = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    new.mkdir()
    try:
        fill(new)
        for path in (*new.iterdir(), new):
            _sync(path)
        if folder.exists():
            os.rename(folder, aside(folder))
        try:
            os.rename(new, folder)
        except BaseException:
            if aside(folder).exists():
                os.rename(aside(folder), folder)
            raise
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _sync(folder.parent)
    settle(folder, owns)


def settle(folder: Path, owns: Callable[[str], bool]) -> None:
    """Finish, or undo, a replacement that was cut short.

    Args:
        folder: That was being replaced.
        owns: Whether an entry of this name is the predecessor's own; others move over.

    Raises:
        OSError: Files cannot be moved.
    """
    previous = aside(folder)
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
    """Have a file or folder on disk, where the system knows how to for its kind."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
