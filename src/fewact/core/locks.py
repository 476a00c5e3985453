"""Locks between processes; the system releases the locks of a killed process.

``Claims`` only save work: two processes that compute the features of one video get the same result.
So their lock files may be removed at any time. ``exclusive`` keeps other processes out.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fewact.core.atomic import make_folder, output_errors

PAUSE = 0.5
"""Seconds between two attempts."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

    def _lock_file(file: int) -> None:
        _lock(file, 0)
else:
    import fcntl

    def _lock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

    def _unlock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)

    def _lock_file(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def exclusive(path: Path) -> int | None:
    """Lock a file in an existing folder until the returned handle is closed; None if it is locked.

    It is created if it is missing, and must never be removed: another process may have opened it
    and not locked it yet. Without working locks, the handle is returned always.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock_file(file)
    except (BlockingIOError, PermissionError):
        os.close(file)
        return None
    except OSError:
        pass  # The disk has no locks.
    return file


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file during the block, then remove it. Yields False if another process holds it.

    A file that was removed between opening and locking is no lock: it is opened again.
    """
    file = exclusive(path)
    while file is not None and not _is_at(path, file):
        os.close(file)
        file = exclusive(path)
    try:
        yield file is not None
    finally:
        if file is not None:
            with suppress(OSError):  # Windows removes no open file.
                path.unlink()
            os.close(file)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _remove_unused(path: Path) -> None:
    """Remove an unused lock file; Windows does not remove open files."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # all of it
            path.unlink()
        finally:
            os.close(file)


class Claims:
    """Blocks that this process holds: one locked byte of an empty file for each block.

    The file is in a folder that has nothing else; processes that share it must number the blocks
    alike.
    """

    def __init__(self, path: Path) -> None:
        with output_errors(path):
            make_folder(path.parent)
            for leftover in path.parent.iterdir():  # what killed processes left
                # Other processes may have opened this path and have no block locked yet.
                if leftover != path:
                    _remove_unused(leftover)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._path = path
        self._postponed: list[int] = []

    def free(self, blocks: Iterable[int]) -> Iterator[int]:
        """Yield the blocks that no other process holds, each locked before it is yielded."""
        for block in blocks:
            if self._acquire(block):
                yield block
            else:
                self._postponed.append(block)

    def postponed(self) -> Iterator[int]:
        """Yield the blocks that ``free`` skipped, each as soon as its lock is released.

        The caller must hold no other block meanwhile: two processes could wait for each other.
        """
        for block in self._postponed:
            while not self._acquire(block):
                time.sleep(PAUSE)
            yield block

    def release(self, block: int) -> None:
        """Release a block."""
        with suppress(OSError):
            _unlock(self._file, block)

    def close(self) -> None:
        """Release all blocks; remove the file if no process holds any."""
        os.close(self._file)
        _remove_unused(self._path)

    def _acquire(self, block: int) -> bool:
        try:
            _lock(self._file, block)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # The disk has no locks: process the block all the same.
        return True
