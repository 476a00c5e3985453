"""Files that are there as a whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside the target: what is written there is synced and takes the target's place.

    Nobody else writes under that name, be it a process of the same number on another machine that
    shares the disk. If the body fails, what was there stays.

    Raises:
        OSError: It cannot be written.
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
    """Write a text file as a whole or not at all, in UTF-8.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file beside the target, sync it and rename it into its place.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    with replacing(path) as new:
        new.write_bytes(content)
    return path
