"""Clips named on a command line: files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fewact.data.files import entries, first_few, is_clip, natural_key
from fewact.errors import DataError
from fewact.io.bounded import user_path


def expand_paths(arguments: Iterable[str | Path]) -> list[Path]:
    """Return the clips that files, folders and patterns name.

    A file counts whatever its extension. A folder of numbered images is one clip; any other folder
    means all clips below it. Patterns are ``*``, ``?``, ``[…]``, and ``**`` for any folders; an
    existing file of the same name comes first.

    Args:
        arguments: Files, folders and patterns.

    Returns:
        Each clip once, in the order of the arguments; clips of one folder or pattern in natural
        order.

    Raises:
        DataError: Arguments match no clip; the message lists them.
    """
    found: dict[str, Path] = {}
    unmatched: list[str] = []
    for argument in arguments:
        clips = list(_expand(user_path(argument, DataError)))
        if not clips:
            unmatched.append(str(argument))
        for clip in clips:
            found.setdefault(os.path.realpath(clip), clip)
    if unmatched or not found:
        raise DataError(
            "no clips found",
            where=first_few(unmatched),
            expected="video files, folders of video files, or patterns",
        )
    return list(found.values())


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from _clips_below(path, set())
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        names = sorted(glob.glob(str(path), recursive=True), key=natural_key)
        for match in map(Path, names):
            if match.is_dir():
                yield from _clips_below(match, set())
            elif is_clip(match):
                yield match


def _clips_below(folder: Path, above: set[str]) -> Iterator[Path]:
    """Yield the clips below a folder in natural order; links back to a parent are not followed."""
    here = os.path.realpath(folder)
    if here in above:
        return
    if is_clip(folder):
        yield folder
        return
    for entry in entries(folder):
        if entry.is_dir():
            yield from _clips_below(entry, above | {here})
        elif is_clip(entry):
            yield entry
