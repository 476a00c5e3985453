"""Clips named on a command line: files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fewact.data.files import entries, is_clip, natural_key, some
from fewact.errors import DataError


def expand_paths(arguments: Iterable[str | Path]) -> list[Path]:
    """The clips that files, folders and patterns stand for.

    A file that is named counts whatever its extension. A folder stands for all clips below it, or
    for itself where it holds numbered pictures. A pattern is read where no file is called so:
    ``*``, ``?``, ``[…]``, and ``**`` for any folders.

    Args:
        arguments: In the order wanted.

    Returns:
        Each clip once, where it is first met; those of one folder or pattern in natural order.

    Raises:
        DataError: Arguments that stand for nothing; the message lists them all.
    """
    found: dict[str, Path] = {}
    barren: list[str] = []
    for argument in arguments:
        clips = list(_expand(Path(argument).expanduser()))
        if not clips:
            barren.append(str(argument))
        for clip in clips:
            found.setdefault(os.path.realpath(clip), clip)
    if barren or not found:
        raise DataError(
            "no clips are found",
            where=some(barren),
            expected="video files, folders that hold some, and patterns",
        )
    return list(found.values())


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from _below(path, set())
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        names = sorted(glob.glob(str(path), recursive=True), key=natural_key)
        for match in map(Path, names):
            if match.is_dir():
                yield from _below(match, set())
            elif is_clip(match):
                yield match


def _below(folder: Path, above: set[str]) -> Iterator[Path]:
    """Clips below a folder, in natural order; a link back to a folder above ends there."""
    here = os.path.realpath(folder)
    if here in above:
        return
    if is_clip(folder):
        yield folder
        return
    for entry in entries(folder):
        if entry.is_dir():
            yield from _below(entry, above | {here})
        elif is_clip(entry):
            yield entry
