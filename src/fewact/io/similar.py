"""Hints for paths that do not exist: names beside them that were probably meant."""

import itertools
from pathlib import Path

from fewact.errors import did_you_mean

MOST = 10_000
"""Number of names that are compared."""


def similar_name(path: Path) -> str:
    """Return a hint at a similar name in the folder of a path; empty if there is none."""
    try:
        entries = itertools.islice(path.absolute().parent.iterdir(), MOST)
        return did_you_mean(path.name, sorted({one.name for one in entries} - {path.name}))
    except OSError:
        return ""
