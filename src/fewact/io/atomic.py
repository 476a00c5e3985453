"""Atomic files: written completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose file replaces the target when the block ends.

    The file is synced and renamed. The temporary name is unique, also among machines that share the
    disk. If the block fails, the target is unchanged.

    Args:
        path: Target file; its parent folders are created.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.new")
    try:
        yield new
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically, in UTF-8, and return its path.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file atomically and return its path.

    Raises:
        OSError: The file cannot be written; the old one is unchanged.
    """
    with replacing(path) as new:
        new.write_bytes(content)
    return path
