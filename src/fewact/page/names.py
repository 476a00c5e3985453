"""Names of actions."""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

from fewact.core.errors import DataError
from fewact.data import is_background

LONGEST_NAME: Final = 60
TITLE_OF_NONE: Final = "anything else"
"""Title of the card with the clips of no action, casefolded; see ``static/texts.json``."""

JOINERS: Final = re.compile(r"(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])")
"""Joiners and non-joiners between other characters, as in Persian words and in emoji."""


def class_name(text: str) -> str:
    """Return the name of an action in Unicode normal form C.

    Raises:
        DataError: It is empty, too long, not printable, or reserved.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name or len(name) > LONGEST_NAME or not is_printable(name):
        raise DataError(
            "not a name for an action",
            got=repr(text[:LONGEST_NAME]),
            expected=f"1 to {LONGEST_NAME} printable characters",
        )
    if is_background(name.strip("()")) or name.casefold() == TITLE_OF_NONE:
        raise DataError(f'"{name}" is reserved for clips of no action', got=repr(name))
    return name


def is_printable(text: str) -> bool:
    r"""Return whether all characters are printable, or join others.

    >>> is_printable("می\u200cخورد"), is_printable("\u200cwave"), is_printable("a\u202eb")
    (True, False, False)
    """
    return JOINERS.sub("", text).isprintable()


def _label(text: str) -> str:
    """Return a label that is stored; a model's may be longer than those that the page takes."""
    if not text.strip() or not is_printable(text):
        raise ValueError("not a class name")
    return text


Label = Annotated[str, AfterValidator(_label)]
