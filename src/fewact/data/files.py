"""Rules for files: names that count as clips, and the order in which files are listed."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fewact.core.errors import DataError

VIDEO_SUFFIXES = frozenset(
    suffix
    for family in (
        ".264 .265 .3g2 .3gp .3gpp .apng .asf .avi .dav .divx .dv .f4v .flv .gif .h264 .h265",
        ".hevc .ivf .lrv .m1v .m2p .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpe",
        ".mpeg .mpg .mts .mxf .nut .ogv .qt .rm .rmvb .tod .tp .trp .ts .vob .vro .webm .wmv",
        ".wtv .y4m",
    )
    for suffix in family.split()
)
_SURROGATE = re.compile("[\ud800-\udfff]")
IMAGE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Return a sort key that puts "clip 2" before "clip 10", the same on every machine.

    Upper and lower case, and the two Unicode forms of an accent, matter only if the names are equal
    otherwise.

    >>> sorted(["b", "A10", "a9"], key=natural_key)
    ['a9', 'A10', 'b']
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)  # text at even positions, digits at odd ones
    return tuple(_number(part) if i % 2 else part for i, part in enumerate(parts)), name


def _number(digits: str) -> tuple[int, str]:
    """Return a sort key of a number, which may have more digits than Python reads as an integer."""
    significant = digits.lstrip("0")
    return len(significant), significant


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order, except hidden ones and archive metadata.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        contents = list(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error
    visible = [e for e in contents if not e.name.startswith((".", "@")) and e.name != "__MACOSX"]
    return sorted(visible, key=lambda entry: natural_key(entry.name))


def legible(name: str) -> str:
    r"""Return a file name with what is no Unicode as escapes, so that it can be stored.

    >>> legible("caf\udce9.mp4"), legible("\ud800.mp4")
    ('caf\\xe9.mp4', '\\ud800.mp4')
    """
    return _SURROGATE.sub(_escape, name)


def _escape(surrogate: re.Match[str]) -> str:
    """Return the escape of a surrogate, which in names of Linux is a byte that is not UTF-8."""
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def is_image_file(path: Path) -> bool:
    """Return whether a path has an image extension."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_numbered_image(path: Path) -> bool:
    """Return whether a path has an image extension and a number in its name."""
    return is_image_file(path) and any(c.isdigit() for c in path.stem)


def is_saved_model(folder: Path) -> bool:
    """Return whether a folder is a saved classifier: what is below it is not its class."""
    return (folder / "model.safetensors").is_file()


def numbered(name: str, number: int) -> str:
    """Return a file's name as file managers give it to the copy of this number.

    >>> numbered("me.mp4", 1), numbered("me.mp4", 2), numbered("v1.5 me", 3)
    ('me.mp4', 'me (2).mp4', 'v1.5 me (3)')
    """
    if number == 1:
        return name
    stem, suffix = stem_and_suffix(name)
    return f"{stem} ({number}){suffix}"


def without_number(name: str) -> str:
    """Return a file's name without the number of a copy.

    >>> without_number("wave/me (2).mp4"), without_number("me.mp4")
    ('wave/me.mp4', 'me.mp4')
    """
    stem, suffix = stem_and_suffix(name)
    return re.sub(r" \([0-9]+\)$", "", stem) + suffix


def stem_and_suffix(name: str) -> tuple[str, str]:
    """Return a name without the suffix of a video, and the suffix."""
    suffix = PurePosixPath(name).suffix
    return (name.removesuffix(suffix), suffix) if suffix.lower() in VIDEO_SUFFIXES else (name, "")


def first_few(names: Iterable[str], limit: int = 5) -> str:
    """Return the first names of a list, and the number of the others.

    >>> first_few(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    listed = list(names)
    omitted = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {omitted} more" if omitted > 0 else "")
