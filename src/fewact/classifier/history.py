"""The folder of a model: its file, replaced completely or not at all, and its former versions.

Saving keeps the file that it replaces as a hard link in the subfolder ``history``: keeping takes no
time. ``undo`` puts the latest of them in the place of the model, ``redo`` takes that back until the
next change. README.md and config.json are written from the file, for people, and never read.

A version that is the model itself is what a crash left between keeping and replacing: skipped.
"""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fewact.classifier import file as model_files
from fewact.classifier.file import (
    HEADER_TEXT,
    KEY,
    MODEL,
    MODEL_FILE,
    ModelHeader,
    SavedModel,
    is_model_file,
    model_file,
    parse_header,
    read_header,
    with_change,
)
from fewact.classifier.model_card import model_card
from fewact.core.atomic import (
    holding,
    is_empty,
    make_folder,
    output_errors,
    remove_leftovers,
    sync,
    temporary,
)
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DamagedModelError, ModelError, NewerModelError
from fewact.core.page_folder import PAGE_FOLDER, is_page
from fewact.core.paths import user_path
from fewact.core.tensors import read_metadata

HISTORY, UNDONE = "history", "undone"
CONFIG, README = "config.json", "README.md"
README_FILE = FileType("README of the model", ModelError, 16 * MIB)

MAX_VERSIONS, MAX_BYTES = 20, 2 * GIB
"""Number of versions that are kept, and their size; the latest is always kept."""

UNKNOWN: Final = "unknown change"
"""Change of a file that cannot be read: the one before may be in order."""


@dataclass(frozen=True)
class Version:
    """A former version of a model.

    Args:
        file: Its file.
        change: Change that ``undo`` would take back, in a few words.
        time: Time of that change (ISO 8601, UTC).
    """

    file: Path
    change: str
    time: str


def owns(name: str) -> bool:
    """Return whether a name is of a model's own files; others in its folder are the user's."""
    return name in (MODEL, CONFIG, README)


def check_target(folder: str | Path) -> bool:
    """Return whether the folder has a model that saving would replace, also a damaged one.

    Raises:
        ModelError: The folder has other files, or is a file.
    """
    path = user_path(folder, ModelError).resolve()
    try:
        entries = os.listdir(path)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        if not path.exists():  # reported by what writes there
            return False
        raise ModelError("this is a file", where=str(path), expected="a folder") from None
    if MODEL in entries and is_model_file(path / MODEL):
        return True
    if not (is_empty(path) or is_page(path / PAGE_FOLDER) or _numbered(path / HISTORY)):
        raise ModelError(
            "the folder has other files, but no saved classifier",
            where=str(path),
            expected="a new or empty folder, or a model to replace",
        )
    return MODEL in entries


def save(folder: Path, header: ModelHeader, content: bytes) -> None:
    """Write the file of a model; a file that it replaces stays a former version.

    After a crash, a power loss or a full disk the model is the old or the new one, complete. What
    was undone cannot be redone any more. A file of an equal model stays, with its change.

    Args:
        folder: Resolved folder of the model, of which ``check_target`` is true or which is new.
        header: Header of the file.
        content: Content of the file.

    Raises:
        ModelError: The folder has a README.md that cannot be read.
        OutputError: The folder cannot be written.
    """
    file, history = folder / MODEL, folder / HISTORY
    with output_errors(folder):
        make_folder(folder)
        with holding(folder):
            texts, unchanged = _texts(folder, header), _has(file, header)
            with _beside(file, texts if unchanged else {MODEL: content, **texts}):
                if file.exists() and not unchanged:
                    for latest in _numbered(history)[:1]:
                        if _raw(latest) == _raw(file):
                            latest.unlink()
                    _keep(file, history)
    if not unchanged:
        with suppress(OSError), holding(folder):  # The model is replaced: no error now.
            shutil.rmtree(history / UNDONE, ignore_errors=True)
            _forget(history)


def install(
    file: str | Path, folder: str | Path, check: Callable[[Path], object] | None = None
) -> Path:
    """Make a file the model of a folder; a model that is there becomes a former version.

    Args:
        file: File of a model.
        folder: Folder of the model.
        check: Function that raises a ``UserError`` for a file that must not replace the model.

    Returns:
        The folder.

    Raises:
        ModelError: The file is no complete model, or the folder has other files.
        OutputError: The folder cannot be written.
    """
    source, target = model_file(file), user_path(folder, ModelError).resolve()
    check_target(target)
    header, content = with_change(MODEL_FILE.content(source), "imported another model", str(source))
    if check is not None:
        check(source)
    with editing(target) if target.is_dir() else nullcontext():
        save(target, header, content)
    return target


def load(path: str | Path) -> SavedModel:
    """Read and check a model; the error of a damaged one says how to restore the version before.

    Args:
        path: Folder or file of the model.

    Raises:
        DamagedModelError: The model is missing, or was damaged or edited.
        LostModelError: An older version of fewact wrote the model.
        ModelError: There is no model, or a newer version of fewact wrote it.
    """
    try:
        return model_files.load(path)
    except ModelError as error:
        folder = user_path(path, ModelError)
        lost = isinstance(error, DamagedModelError) or not (folder / MODEL).exists()
        if not lost or not can_undo(folder):
            raise
        hint = f"Restore the version before: fewact undo {shlex.quote(str(path))}"
        raise DamagedModelError(**{**error.parts, "hint": hint}) from error


def versions(folder: str | Path) -> list[Version]:
    """Return the former versions of a model, the latest first."""
    path = user_path(folder, ModelError).resolve()
    newer, former_versions = path / MODEL, []
    for file in _without(_numbered(path / HISTORY), newer):
        former_versions.append(_version(file, newer))
        newer = file
    return former_versions


def can_undo(folder: Path) -> bool:
    """Return whether there is a former version that can replace the model; it is read for this."""
    try:
        former = versions(folder)
        if former:
            _check(former[0].file)
    except (ModelError, OSError):
        return False
    return bool(former)


def undo(folder: str | Path) -> Version:
    """Replace a model by its latest former version.

    Args:
        folder: Folder of the model.

    Returns:
        What the model now is; its former file no longer exists.

    Raises:
        ModelError: There is no former version, or it is damaged.
    """
    path = _existing(folder)
    with editing(path):
        former = versions(path)
        if not former:
            raise ModelError("nothing to undo", where=str(path))
        _exchange(path, former[0].file, path / HISTORY / UNDONE)
        return former[0]


def redo(folder: str | Path) -> Version:
    """Take the latest ``undo`` back.

    Raises:
        ModelError: Nothing was undone since the last change, or it is damaged.
    """
    path = _existing(folder)
    with editing(path):
        undone = _without(_numbered(path / HISTORY / UNDONE), path / MODEL)
        if not undone:
            raise ModelError("nothing to redo", where=str(path))
        version = _version(undone[0], undone[0])
        _exchange(path, version.file, path / HISTORY)
        return version


@contextmanager
def editing(folder: str | Path) -> Iterator[None]:
    """Hold a model while it is read, changed and saved: other editors wait, so no change is lost.

    Args:
        folder: Existing folder.

    Raises:
        ModelError: There is no such folder.
        OutputError: It cannot be written.
    """
    path = _existing(folder)
    with ExitStack() as until_end:
        with output_errors(path):
            make_folder(path / HISTORY)
            until_end.enter_context(holding(path / HISTORY))
            _finish(path)
        yield


def _finish(folder: Path) -> None:
    """Finish a change that was interrupted once its model was in place: its texts are written."""
    with suppress(ModelError):  # what cannot be read is reported where it is needed
        file = folder / MODEL
        texts = _texts(folder, read_header(file)) if file.is_file() else {}
        different = {
            name: text for name, text in texts.items() if not _has_content(folder / name, text)
        }
        with holding(folder), _beside(file, different):
            pass


def _has_content(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() == content


def _exchange(folder: Path, version: Path, target: Path) -> None:
    """Replace the model by a version, and keep it below a folder."""
    header = _check(version)
    with output_errors(folder), holding(folder):
        make_folder(target)
        file = folder / MODEL
        with _beside(file, _texts(folder, header)):
            if file.exists():
                _keep(file, target)
            os.replace(version, file)


@contextmanager
def _beside(file: Path, contents: dict[str, bytes]) -> Iterator[None]:
    """Write files beside their targets, run the block, and rename them: nothing or all is written.

    Args:
        file: File of the model, whose folder the others are in.
        contents: Content of each file by its name, in the order in which they are renamed.
    """
    with ExitStack() as until_end:
        for name in (MODEL, CONFIG, README):  # also of a killed writer of what is not written now
            remove_leftovers(file.parent, of=file.with_name(name))
        written = {}
        for name, content in contents.items():
            target = file.with_name(name)
            written[target] = until_end.enter_context(temporary(target))
            written[target].write_bytes(content)
            sync(written[target])
        yield
        for target, new in written.items():
            os.replace(new, target)
        sync(file.parent)


def _texts(folder: Path, header: ModelHeader) -> dict[str, bytes]:
    """Return the files that are written for people, from the header of a model.

    Raises:
        ModelError: There is a README.md that cannot be read.
    """
    card = folder / README
    before = README_FILE.content(card).decode(errors="replace") if card.is_file() else None
    config = json.dumps(header.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return {README: model_card(header, before).encode(), CONFIG: f"{config}\n".encode()}


def _existing(folder: str | Path) -> Path:
    path = user_path(folder, ModelError).resolve()
    if not path.is_dir():
        raise ModelError("no such folder", where=str(folder), expected="a saved model")
    return path


def _keep(file: Path, target: Path) -> None:
    """Make a file the next version below a folder; another process may take its number first."""
    make_folder(target)
    while True:
        number = 1 + max((int(version.stem) for version in _numbered(target)), default=0)
        version = target / f"{number:06}.safetensors"
        try:
            os.link(file, version)
        except FileExistsError:
            continue
        except OSError:  # A disk without hard links.
            with temporary(version) as new:
                shutil.copyfile(file, new)
                sync(new)
                os.replace(new, version)
        sync(target)
        return


def _numbered(folder: Path) -> list[Path]:
    """Return the versions below a folder, the latest first."""
    files = [path for path in folder.glob("*.safetensors") if path.stem.isdecimal()]
    return sorted(files, key=lambda path: int(path.stem), reverse=True)


def _without(files: list[Path], model: Path) -> list[Path]:
    """Return the files whose header is not that of the model."""
    current = _raw(model)
    return [file for file in files if _raw(file) != current]


def _raw(file: Path) -> str:
    """Return the text of the header of a file, which has the hash of all else; empty if missing."""
    try:
        return read_metadata(MODEL_FILE, file).get(KEY, "")
    except ModelError:
        return ""


def _version(file: Path, changed: Path) -> Version:
    """Return a version, and the change that made another file, when it was written."""
    try:
        content = HEADER_TEXT.parse(_raw(changed), str(changed))
        change = content.get("change") if isinstance(content, dict) else None
    except ModelError:
        change = None
    try:
        written = datetime.fromtimestamp(changed.stat().st_mtime, UTC)
        time = written.isoformat(timespec="seconds")
    except OSError:  # The model is gone.
        time = "unknown time"
    return Version(file, change if isinstance(change, str) else UNKNOWN, time)


def _has(file: Path, header: ModelHeader) -> bool:
    """Return whether a file is intact and of a model with this header, however it was made."""
    try:
        parsed = parse_header(read_metadata(MODEL_FILE, file), str(file))
        return parsed.is_of_same_model(header) and bool(model_files.load(file))
    except ModelError:
        return False


def _check(version: Path) -> ModelHeader:
    """Refuse a version that is damaged, or cannot be read here: it must not replace the model.

    Raises:
        ModelError: It is damaged, or a newer version of fewact wrote it.
    """
    try:
        return model_files.load(version).header
    except NewerModelError:  # It is not damaged: removing it would lose it.
        raise
    except ModelError as error:
        hint = f"Remove {version} to undo the change before it."
        raise ModelError(error.what, where=error.where, got=error.got, hint=hint) from error


def _forget(history: Path) -> None:
    """Remove the oldest versions beyond the limits."""
    inodes: set[tuple[int, int]] = set()
    total = 0
    for i, version in enumerate(_numbered(history)):
        facts = version.stat()
        if (facts.st_dev, facts.st_ino) not in inodes:
            inodes.add((facts.st_dev, facts.st_ino))
            total += facts.st_size
        if i >= MAX_VERSIONS or (i > 0 and total > MAX_BYTES):
            version.unlink()
