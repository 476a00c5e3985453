"""Names of actions and of clips: the user's own, made fit to be shown and stored."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

from fewact.core.errors import DataError
from fewact.core.text_table import is_printable, printable
from fewact.data import is_none
from fewact.data.class_names import NAME_EXPECTED, is_class_name, plain_name
from fewact.data.files import stem_and_suffix

LONGEST_FILE_NAME: Final = 120
TITLE_OF_NONE: Final = "anything else"
"""Title of the card with the clips of no action, casefolded; see ``static/texts.json``."""


def class_name(text: str) -> str:
    """Return the name of an action in Unicode normal form C.

    Raises:
        DataError: It is empty, too long, not printable, or reserved.
    """
    name = plain_name(text)
    if not is_class_name(name):
        got = printable(name[:60])
        raise DataError("not a name for an action", got=f'"{got}"', expected=NAME_EXPECTED)
    if is_none(name) or name.casefold() == TITLE_OF_NONE:
        raise DataError(f'"{name}" is reserved for clips of no action', got=repr(name))
    return name


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


def _label(text: str) -> str:
    """Return a label that is stored; a model's may be longer than those that the page takes."""
    if not text.strip() or not is_printable(text):
        raise ValueError("not a class name")
    return text


Label = Annotated[str, AfterValidator(_label)]
