"""Names of clips: the user's own, made fit to be shown and stored."""

import unicodedata
from typing import Final

from fewact.data.files import stem_and_suffix
from fewact.page.names import is_printable

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
    stem, suffix = stem_and_suffix(last.strip())
    name = (stem[: LONGEST_FILE_NAME - len(suffix)] + suffix).strip()
    return "" if set(name) <= {"."} else name
