"""Clips named on a command line: files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fewact.data.files import (
    VIDEO_SUFFIXES,
    entries,
    first_few,
    is_clip,
    is_numbered_image,
    natural_key,
)
from fewact.errors import DataError
from fewact.io.bounded import user_path
from fewact.io.similar import similar_name


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
    folders: dict[Path, str] = {}
    for argument in arguments:
        clips = list(_expand(user_path(argument, DataError)))
        if not clips:
            unmatched.append(str(argument))
        for clip in clips:
            found.setdefault(_real(clip, folders), clip)
    if unmatched or not found:
        raise DataError(
            "no clips found",
            where=first_few(unmatched),
            expected="video files, folders of video files, or patterns",
            hint=similar_name(Path(unmatched[0])) if len(unmatched) == 1 else "",
        )
    return list(found.values())


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from clips_below(path)
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        names = sorted(set(_matches(str(path))), key=natural_key)
        for match in map(Path, names):
            if match.is_dir():
                yield from clips_below(match)
            elif is_clip(match):
                yield match


def clips_below(folder: Path) -> Iterator[Path]:
    """Yield the clips below a folder in natural order; each folder once, however links lead to it.

    Raises:
        DataError: A folder cannot be read.
    """
    waiting, known = [folder], set()
    while waiting:
        path = waiting.pop()
        if not path.is_dir():
            yield path
        elif (identity := _identity(path)) not in known:
            known.add(identity)
            inside = entries(path)
            if any(map(is_numbered_image, inside)):
                yield path  # a folder of images
            else:
                clips = [e for e in inside if e.suffix.lower() in VIDEO_SUFFIXES or e.is_dir()]
                waiting += reversed(clips)


def _matches(pattern: str) -> Iterator[str]:
    """Yield the files and folders of a pattern; ``**`` finds each folder once.

    ``glob`` would follow links again and again.
    """
    before, found, after = pattern.partition(f"**{os.sep}")
    if not found and pattern.endswith("**"):
        before, found, after = pattern[:-2], "**", "*"
    if not found or before[-1:] not in ("", os.sep):
        yield from glob.iglob(pattern)
        return
    known: set[tuple[int, int]] = set()
    waiting = glob.glob(before) if before else [""]
    while waiting:
        folder = waiting.pop()
        identity = _identity(Path(folder))
        if identity in known:
            continue
        known.add(identity)
        yield from _matches(os.path.join(glob.escape(folder), after))
        waiting += (f for f in glob.iglob(os.path.join(glob.escape(folder), "*", "")))


def _identity(folder: Path) -> tuple[int, int]:
    """Return the device and number of a folder, which all its names share.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        found = folder.stat()
    except OSError as error:
        raise DataError(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error
    return found.st_dev, found.st_ino


def _real(clip: Path, folders: dict[Path, str]) -> str:
    """Return the path of a clip without links; ``folders`` remembers those of folders."""
    if clip.is_symlink():
        return os.path.realpath(clip)
    parent = clip.parent
    if parent not in folders:
        folders[parent] = os.path.realpath(parent)
    return os.path.join(folders[parent], clip.name)
