"""The folder in which the page keeps clips below a model; see ``fewact.web``."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

PAGE_FOLDER: Final = "page"
PAGE_DOCUMENT: Final = "page.json"
PAGE_CLIP: Final = re.compile(r"^[0-9a-f]{16}\.[a-z0-9]+$", re.ASCII)
"""Names of clips in this folder: an id and a suffix."""


def is_page(folder: Path) -> bool:
    """Return whether a folder is the page's: saving a model keeps it."""
    return (folder / PAGE_DOCUMENT).is_file()


def page_file_in(name: str) -> str | None:
    """Return the file that the name of a training clip contains; None for other names.

    Models up to version 12 name a clip of the page by class and file.

    >>> page_file_in("wave/0123456789abcdef.mp4"), page_file_in("wave/1.mp4")
    ('0123456789abcdef.mp4', None)
    """
    file = PurePosixPath(name).name
    return file if PAGE_CLIP.fullmatch(file) else None
