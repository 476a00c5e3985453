"""The folder in which the page keeps clips below a model; see ``fewact.page``."""

import re
from pathlib import Path
from typing import Final

PAGE_FOLDER: Final = "page"
PAGE_JOURNAL: Final = "journal.jsonl"
PAGE_CLIP: Final = re.compile(r"^[0-9a-f]{16}\.[a-z0-9]+$", re.ASCII)
"""Names of clips in this folder: an id and a suffix."""


def is_page(folder: Path) -> bool:
    """Return whether a folder is the page's: saving a model keeps it."""
    return (folder / PAGE_JOURNAL).is_file()


def page_file(name: str) -> str | None:
    """Return the name of a file if it is one of a clip in this folder; None for other names.

    >>> page_file("0123456789abcdef.mp4"), page_file("1.mp4")
    ('0123456789abcdef.mp4', None)
    """
    return name if PAGE_CLIP.fullmatch(name) else None
