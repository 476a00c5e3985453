"""Which blocks of a list are being worked on, told between processes by locks of the system.

A process that is killed gives its claims up by that alone. Claims only save work: whatever two
processes make of one video is the same.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PAUSE = 0.5
"""Seconds between two tries."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)

    def _unlock(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


class Claims:
    """Claims of one process: a byte of a file that stays empty for each block.

    Args:
        path: The file; processes that share it must mean the same blocks.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._put_off: list[int] = []

    def free(self, blocks: Iterable[int]) -> Iterator[int]:
        """Those blocks that nobody else works on, each claimed as it comes."""
        for block in blocks:
            if self._take(block):
                yield block
            else:
                self._put_off.append(block)

    def rest(self) -> Iterator[int]:
        """The other blocks, each as soon as it is free: who had it may have been killed.

        Nothing else may be claimed meanwhile, lest two processes wait for each other.
        """
        for block in self._put_off:
            while not self._take(block):
                time.sleep(PAUSE)
            yield block

    def give_up(self, block: int) -> None:
        """Let others have a block."""
        with suppress(OSError):
            _unlock(self._file, block)

    def close(self) -> None:
        """Give all up."""
        os.close(self._file)

    def _take(self, block: int) -> bool:
        try:
            _lock(self._file, block)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # A disk without locks: what others do is not known.
        return True
