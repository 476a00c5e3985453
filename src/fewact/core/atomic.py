"""Atomic files: written completely or not at all, and checked before the work begins."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from fewact.core.errors import OutputError
from fewact.core.temporary import temporary

CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
"""Errors of disks that cannot sync folders."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that replaces the target when the block ends.

    The file is synced and renamed, and its folder is synced: after a power loss the target is the
    old or the new file, and it is the new one once this returns. If the block fails, the target is
    unchanged. Temporary files that killed writers of the target left are removed.

    Args:
        path: Target file; its parent folders are created. If it is a symbolic link, the file that
            it points to is replaced.

    Raises:
        OutputError: The file cannot be written.
    """
    with output_errors(path):
        check_file(path)
        path = path.resolve() if path.is_symlink() else path
        make_folder(path.parent)
        with temporary(path) as new:
            yield new
            sync(new)
            os.replace(new, path)
            sync(path.parent)


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically, in UTF-8, and return its path.

    Raises:
        OutputError: The file cannot be written; the old one is unchanged.
    """
    # A file name may have bytes that are not UTF-8; in JSON, the escape is read as the same name.
    return write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file atomically and return its path.

    Raises:
        OutputError: The file cannot be written; the old one is unchanged.
    """
    with replacing(path) as new:
        new.write_bytes(content)
    return path


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, synced to disk; nothing happens if it exists.

    Raises:
        OSError: It cannot be created.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)
            ) from None
    sync(folder.parent)  # Also if another process created it: it may not be synced yet.


def sync(path: Path) -> None:
    """Sync a file or folder to disk; some disks and Windows cannot sync folders.

    Raises:
        OSError: The disk reports an error.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder or error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def check_file(path: Path) -> None:
    """Refuse a target that exists and is not a regular file, such as a folder or a device.

    Raises:
        OutputError: It is not a regular file.
        OSError: Its name is invalid.
    """
    mode = mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        what = "this is a folder" if stat.S_ISDIR(mode) else "this is not a regular file"
        raise OutputError(what, where=str(path), expected="a file, or a new name")


def mode_of(path: Path) -> int | None:
    """Return the mode of a file or folder; None if there is none.

    Raises:
        OSError: The name is invalid, or a parent cannot be searched.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into an error of the user that names the output.

    Raises:
        OutputError: The block raised an OSError, other than one of a closed pipe.
        BrokenPipeError: The block wrote to a closed pipe: that is never this output.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot be written: {reason.lower()}", where=str(path)) from error


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
        mode = mode_of(path)
        if mode is not None and not stat.S_ISDIR(mode):
            raise OutputError("this is not a folder", where=str(path), expected="a folder")
        if replaced and os.path.ismount(path):
            raise OutputError(
                "a mount point cannot be replaced", where=str(path), expected="a folder below it"
            )
        path = path.resolve()
        _try(path if replaced or mode is None else path / path.name)


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
