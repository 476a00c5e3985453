"""The cache folder: files that fewact can make again."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the cache folder; None on a machine without a home folder.

    It is the folder that the environment variable FEWACT_CACHE names, otherwise the cache folder
    of the platform. ``~`` is expanded: only a shell does so, no service or container file.
    """
    try:
        if chosen := os.environ.get("FEWACT_CACHE"):
            return Path(chosen).expanduser()
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "fewact"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "fewact"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fewact"
    except RuntimeError:
        return None
