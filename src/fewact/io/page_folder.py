"""The folder in which the page keeps clips below a model; see ``fewact.web``."""

from pathlib import Path
from typing import Final

PAGE_FOLDER: Final = "page"
PAGE_DOCUMENT: Final = "page.json"


def is_page(folder: Path) -> bool:
    """Return whether a folder is the page's: saving a model keeps it."""
    return (folder / PAGE_DOCUMENT).is_file()
