"""Checks of outputs before the work begins."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from fewact.core.atomic import check_file, mode_of, output_errors
from fewact.core.errors import OutputError

REPLACE = "Replace it with --overwrite, or choose another file."
"""Hint for an output that exists and was not to be replaced."""

TRIED = bytes(4096)
"""Content that is written to try an output; a full disk or a limit refuses it."""


def check_output_file(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that cannot be written.

    Args:
        path: File that will be created or replaced.
        inputs: Files that are read.

    Raises:
        OutputError: It is a folder, a device or an input, a parent is not a folder, or the disk
            refuses.
    """
    with output_errors(path):
        check_file(path)
        if os.path.exists(path) and any(os.path.exists(i) and path.samefile(i) for i in inputs):
            raise OutputError(
                "the input would be replaced", where=str(path), hint="Choose another name."
            )
        _try(path.resolve() if path.is_symlink() else path)


def check_output_folder(path: Path, *, replaced: bool = False) -> None:
    """Refuse a folder that cannot be created or filled.

    Args:
        path: Folder that will be created, or get new files.
        replaced: Whether an existing folder will be replaced as a whole.

    Raises:
        OutputError: It or a parent is not a folder, or the disk refuses.
    """
    with output_errors(path):
        found = mode_of(path)
        if found is not None and not stat.S_ISDIR(found):
            raise OutputError("this is not a folder", where=str(path), expected="a folder")
        if replaced and os.path.ismount(path):
            raise OutputError(
                "a mount point cannot be replaced", where=str(path), expected="a folder below it"
            )
        path = path.resolve()
        _try(path if replaced or found is None else path / path.name)


def _try(path: Path) -> None:
    """Write and remove a file where the output, or the first of its new parents, will be."""
    path = path.absolute()
    while mode_of(path.parent) is None:
        path = path.parent
    if not path.parent.is_dir():
        raise OutputError("this is not a folder", where=str(path.parent), expected="a folder")
    with TemporaryFile(dir=path.parent) as new:  # It has no name, so a crash leaves nothing.
        new.write(TRIED)
        new.flush()
