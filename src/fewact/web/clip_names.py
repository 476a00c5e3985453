"""Names of clips: the user's own, made fit to be shown and stored, and unique within a class."""

import unicodedata
from pathlib import PurePosixPath
from typing import Final

from fewact.data import VIDEO_SUFFIXES
from fewact.web.names import is_printable

LONGEST_FILE_NAME: Final = 120


def file_name(text: str) -> str:
    r"""Return the last part of a client's file name for display; it is never used as a path.

    Characters that are not visible are left out, and a long name loses the end of its stem. The
    result is empty if nothing is left.

    >>> file_name("C:\\clips\\me waving.MOV"), file_name("../.."), file_name("a\u202eb.mp4")
    ('me waving.MOV', '', 'ab.mp4')
    """
    last = text.replace("\\", "/").rpartition("/")[2]
    last = unicodedata.normalize("NFC", last)
    if not is_printable(last):
        spaced = (" " if character.isspace() else character for character in last)
        last = "".join(character for character in spaced if character.isprintable())
    stem, suffix = _parts(last.strip())
    name = (stem[: LONGEST_FILE_NAME - len(suffix)] + suffix).strip()
    return "" if set(name) <= {"."} else name


def numbered(name: str, number: int) -> str:
    """Return a name as file managers give it to the copy of this number.

    >>> numbered("me.mp4", 1), numbered("me.mp4", 2), numbered("v1.5 me", 3)
    ('me.mp4', 'me (2).mp4', 'v1.5 me (3)')
    """
    if number == 1:
        return name
    stem, suffix = _parts(name)
    return f"{stem} ({number}){suffix}"


def _parts(name: str) -> tuple[str, str]:
    """Return a name without the suffix of a video, and the suffix."""
    suffix = PurePosixPath(name).suffix
    return (name.removesuffix(suffix), suffix) if suffix.lower() in VIDEO_SUFFIXES else (name, "")
