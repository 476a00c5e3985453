"""Which blocks of a list are being worked on, told between processes by locks of the system.

A process that is killed gives its claims up by that alone. Claims only save work: whatever two
processes make of one video is the same.
"""

import os
import sys
import time
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

    def take(self, block: int) -> bool:
        """Claim a block, unless another process works on it."""
        try:
            _lock(self._file, block)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # A disk without locks: what others do is not known.
        return True

    def wait(self, block: int) -> None:
        """Claim a block as soon as nobody else works on it."""
        while not self.take(block):
            time.sleep(PAUSE)

    def give_up(self, block: int) -> None:
        """Let others have a block."""
        try:
            _unlock(self._file, block)
        except OSError:
            return

    def close(self) -> None:
        """Give all up."""
        os.close(self._file)
