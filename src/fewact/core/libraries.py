"""Compiled libraries that come with the package where it was installed with a compiler."""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path


def load_library(name: str, folders: Iterable[str], *, version: int) -> ctypes.CDLL:
    """Load a compiled library of the package.

    Args:
        name: Name of the library's file without its suffix. The library has a function
            ``{name}_version``.
        folders: Folders of the subpackage: an editable install has the sources and the built
            library in different ones.
        version: Version of the library's interface; an editable install may have an outdated
            library.

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
