"""A saved model as one .zip file."""

import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fewact.classifier.saved import model_folder
from fewact.classifier.saved.config import README, owns
from fewact.core.atomic import make_folder, output_errors
from fewact.core.bounded import GIB, MIB, FileType, size_text
from fewact.core.errors import ModelError, UserError
from fewact.core.folders import current, read_replaced
from fewact.core.paths import user_path
from fewact.core.temporary import temporary

ARCHIVE_FILE = FileType(
    "model in a .zip file", ModelError, 1 * GIB, hint="Run `fewact export MODEL --zip FILE` again."
)
MOST_FILES = 5000
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that are read."""

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
"""Errors of ``zipfile`` for a damaged file; ValueError for a name or an offset."""

SMALL, MOST_RATIO = 16 * MIB, 100
"""Size up to which any ratio of compression is read, and the largest ratio above it."""


def pack(folder: str | Path) -> bytes:
    """Return a model as a .zip file; other files of its folder are not in it.

    Raises:
        ModelError: There is no model, it cannot be read, or it is too large for ``unpack``.
    """
    found = user_path(folder, ModelError).resolve()
    model_folder.load(found)

    def read(path: Path) -> bytes:
        _check_total(sum(one.stat().st_size for one in path.iterdir() if owns(one.name)), folder)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path.iterdir()):
                if owns(file.name):
                    archive.write(file, file.name)
        return content.getvalue()

    return read_replaced(lambda: current(found), read)


def unpack(
    file: str | Path, folder: str | Path, check: Callable[[Path], object] = model_folder.load
) -> Path:
    """Make a model folder of a .zip file. A model that is there is kept as a former version.

    Args:
        file: Result of ``pack``.
        folder: Folder of the model.
        check: Function that raises a ``UserError`` for a model that must not replace the old one.

    Returns:
        The folder.

    Raises:
        ModelError: The file has something else than a complete model, or the folder has other
            files.
        OutputError: The folder cannot be written.
    """
    path, target = user_path(file, ModelError), user_path(folder, ModelError).resolve()
    replaces = model_folder.check_target(target)
    with ARCHIVE_FILE.open(path) as stream, _folder_beside(target) as new:
        with _damage_refused(path), zipfile.ZipFile(stream) as archive:
            _extract(archive, new, target, str(path))
        check(new)
        if (new / README).is_file():
            model_folder.README_FILE.text(new / README)
        contents = {one.name: one.read_bytes() for one in new.iterdir()}

    model_folder.write(target, contents, "imported another model", replaces=replaces)
    return target


def unpacked_size(file: str | Path) -> int:
    """Return the number of bytes that ``unpack`` writes, by the directory of the .zip file.

    Raises:
        ModelError: The file cannot be read, or has something else than a model.
    """
    path = user_path(file, ModelError)
    with (
        ARCHIVE_FILE.open(path) as stream,
        _damage_refused(path),
        zipfile.ZipFile(stream) as archive,
    ):
        return sum(one.file_size for one in _members(archive, str(path)))


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    """Turn the errors of ``zipfile`` for a damaged or hostile file into an error of the user.

    Raises:
        ModelError: The block raised one of them.
        UserError: The block raised it.
    """
    try:
        yield
    except UserError:
        raise
    except DAMAGE as error:
        raise _other(str(path), str(error)) from error


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside a target, whose parent folders are created.

    Raises:
        OutputError: It cannot be created.
    """
    with ExitStack() as until_end:
        with output_errors(target):
            make_folder(target.parent)
            new = until_end.enter_context(temporary(target, folder=True))
        yield new


def _extract(archive: zipfile.ZipFile, folder: Path, target: Path, where: str) -> None:
    """Write the files of an archive, whose names and sizes are those of a model, for a target."""
    for one in _members(archive, where):
        with archive.open(one) as member:
            content = member.read(one.file_size + 1)
        if len(content) != one.file_size:
            raise ModelError("the file is damaged", where=where, got=one.filename)
        with output_errors(target):
            (folder / one.filename).write_bytes(content)


def _other(where: str, got: str) -> ModelError:
    """Return the error of a file that is no model, such as a folder that another program packed."""
    return ModelError(
        "not a .zip file of a model",
        where=where,
        got=got,
        hint="`fewact export MODEL --zip FILE` makes one, and so does the page.",
    )


def _members(archive: zipfile.ZipFile, where: str) -> list[zipfile.ZipInfo]:
    """Return the directory of an archive, whose names and sizes are those of a model."""
    members = archive.infolist()
    names = [one.filename for one in members]
    if len(members) > MOST_FILES or len(set(names)) < len(names) or not all(map(owns, names)):
        strange = next((name for name in names if not owns(name)), f"{len(names)} files")
        raise _other(where, strange[:80])
    if other := next((one.filename for one in members if not _is_regular(one)), ""):
        raise _other(where, f"{other}: a link")
    if other := next((one.filename for one in members if one.compress_type not in PACKED), ""):
        raise _other(where, f"{other}: an unusual compression")
    total = sum(one.file_size for one in members)
    _check_total(total, where)
    if total > max(SMALL, MOST_RATIO * sum(one.compress_size for one in members)):
        raise ModelError(
            "the file is compressed more than a model can be",
            where=where,
            got=size_text(total),
            hint=ARCHIVE_FILE.hint,
        )
    return members


def _is_regular(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a file; its mode is 0 if it was not packed on Unix."""
    mode = stat.S_IFMT(member.external_attr >> 16)
    return mode in (0, stat.S_IFREG)


def _check_total(size: int, where: str | Path) -> None:
    if size > ARCHIVE_FILE.ceiling:
        raise ModelError(
            "the model is too large for a .zip file",
            where=str(where),
            got=size_text(size),
            expected=f"at most {size_text(ARCHIVE_FILE.ceiling)}",
            hint="Copy the folder.",
        )
