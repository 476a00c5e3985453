"""What a name of a class is: one rule for folders, tables, files of events, commands and pages."""

import unicodedata
from typing import Final

from fewact.core.text_table import is_printable

LONGEST_NAME: Final = 255
"""Most characters of a class name: the name of a folder, which may be a class, has no more."""

NAME_EXPECTED: Final = f"1 to {LONGEST_NAME} printable characters, in UTF-8"


def plain_name(text: str) -> str:
    r"""Return a name in Unicode normal form C, without spaces around it.

    >>> plain_name(" cafe\u0301 ") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", text).strip()


def is_class_name(name: str) -> bool:
    r"""Return whether a plain name can be that of a class.

    >>> is_class_name("می\u200cشود"), is_class_name("a\u202eb"), is_class_name("x" * 256)
    (True, False, False)
    """
    return 0 < len(name) <= LONGEST_NAME and is_printable(name)
