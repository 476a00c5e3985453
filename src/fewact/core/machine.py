"""What this machine offers: cores, a cache folder, and the compiled libraries of the package."""

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def usable_cores() -> int:
    """Return the number of cores that this process may use; a batch job may have few of them."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


ARENAS_OPTION, ARENAS = -8, 1
"""Option of glibc's ``mallopt`` for the largest number of arenas, and its value."""


def share_freed_memory() -> None:
    """Let all threads of this process reuse the memory that any of them has freed.

    By default glibc keeps one arena for each thread: a fifth of the memory of ``predict``. Does
    nothing on other systems.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(ARENAS_OPTION, ARENAS)


def cache_folder() -> Path | None:
    """Return the cache folder; None on a machine without a home folder.

    It is the folder that the environment variable FEWACT_CACHE names, otherwise the cache folder
    of the platform. ``~`` is expanded: only a shell does so, no service or container file.
    """
    try:
        if folder := os.environ.get("FEWACT_CACHE"):
            return Path(folder).expanduser()
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "fewact"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "fewact"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fewact"
    except RuntimeError:
        return None


def load_library(name: str, folders: Iterable[str], *, version: int) -> ctypes.CDLL:
    """Load a compiled library of the package, which has a function ``{name}_version``.

    Args:
        name: Name of the file without its suffix.
        folders: Folders of the subpackage: an editable install has sources and library in
            different ones.
        version: Version of the interface; an editable install may have an outdated library.

    Raises:
        OSError: The library is not built, is outdated, or cannot be loaded on this system.
    """
    files = (file for folder in folders for file in Path(folder).glob(f"{name}.*"))
    file = next(files, None)
    if file is None:
        raise FileNotFoundError(f"{name} is not built")
    loaded = ctypes.CDLL(os.fspath(file))
    stated = getattr(loaded, f"{name}_version", None)
    if stated is None or stated() != version:
        raise OSError(f"{name} is of another version: install the package again")
    return loaded
