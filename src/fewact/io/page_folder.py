"""The folder in which the page keeps clips below a model; see ``fewact.web``."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

PAGE_FOLDER: Final = "page"
PAGE_DOCUMENT: Final = "page.json"
PAGE_CLIP: Final = re.compile(r"([0-9a-f]{16})(\.[a-z0-9]+)", re.ASCII)
"""Names of clips in this folder: an id and a suffix."""


def is_page(folder: Path) -> bool:
    """Return whether a folder is the page's: saving a model keeps it."""
    return (folder / PAGE_DOCUMENT).is_file()


def identity(name: str) -> str:
    """Return what stays of a training clip's name when its class changes.

    A clip of the page is named by class and file in a model, such as ``wave/0123456789abcdef.mp4``;
    all other names stay as they are.

    >>> identity("wave/0123456789abcdef.mp4"), identity("wave/1.mp4")
    ('0123456789abcdef.mp4', 'wave/1.mp4')
    """
    file = PurePosixPath(name).name
    return file if PAGE_CLIP.fullmatch(file) else name
