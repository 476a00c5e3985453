"""What on disk counts as a clip, and the order in which names are listed."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fewact.errors import DataError

VIDEO_SUFFIXES = frozenset(
    suffix
    for family in (
        ".3g2 .3gp .asf .avi .flv .gif .m2ts .m2v .m4v .mkv .mov",
        ".mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv",
    )
    for suffix in family.split()
)
PICTURE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key that puts "clip 2" before "clip 10", the same on every machine.

    Upper and lower case, and the two ways in which Unicode writes an accent, differ only where
    nothing else does.

    >>> sorted(["b", "A10", "a9"], key=natural_key)
    ['a9', 'A10', 'b']
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)  # text at even places, digits at odd ones
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), name


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in natural order, without hidden entries and archives' metadata.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error
    visible = [e for e in found if not e.name.startswith((".", "@")) and e.name != "__MACOSX"]
    return sorted(visible, key=lambda entry: natural_key(entry.name))


def is_picture(path: Path) -> bool:
    """Whether a file may be one frame of a folder of numbered pictures."""
    return path.suffix.lower() in PICTURE_SUFFIXES and any(c.isdigit() for c in path.stem)


def is_clip(path: Path) -> bool:
    """Whether a path is a video by its extension, or a folder that holds numbered pictures.

    A link to a video that is gone counts: reading it says what is wrong with it.
    """
    if path.is_dir():
        return any(is_picture(entry) for entry in entries(path))
    return path.suffix.lower() in VIDEO_SUFFIXES


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few of many names, and how many more there are.

    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
