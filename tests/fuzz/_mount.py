"""Small disks: a tmpfs of a given size, which only root may mount."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@cache
def missing() -> str:
    """Why no disk can be mounted here; empty if one can."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        return "mounting a small disk needs root on Linux"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder), 1 << 20):
                return ""
        except subprocess.CalledProcessError as error:
            return f"a small disk cannot be mounted: {error.stderr.strip()}"


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """Mount a disk of a size in bytes on a folder; yield a function that changes its size."""
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield lambda new: _run("mount", "-o", f"remount,size={new}", str(folder))
    finally:
        _run("umount", "-l", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
