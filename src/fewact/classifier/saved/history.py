"""Former versions of a saved model, so that every change can be undone.

``save`` keeps the version that it replaces as hard links in the model's subfolder ``history``:
keeping takes no time, and space only for what the new version does not share. ``undo`` exchanges
the model for the latest version, ``redo`` takes that back until the next change.

A version that equals the model is what a crash or a full disk left between keeping and replacing;
it is skipped, and the next version takes its place.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from fewact.classifier.saved.config import CONFIG, CONFIG_FILE, from_text, owns
from fewact.classifier.saved.errors import NewerModelError
from fewact.classifier.saved.files import content_of
from fewact.core.atomic import make_folder, output_errors, sync
from fewact.core.bounded import GIB, KIB, FileType
from fewact.core.errors import ModelError, OutputError
from fewact.core.folders import current, held, locked, opened, replace_folder
from fewact.core.paths import user_path
from fewact.core.temporary import discard, temporary
from fewact.data.files import legible

HISTORY: Final = "history"
CHANGE, UNDONE, NEW = "change.json", "undone", "version"
MAX_VERSIONS, MAX_BYTES = 20, 2 * GIB
"""Number of versions that are kept, and their size; the latest is always kept."""

LONGEST: Final = 1000
"""Number of characters to which the text of a change is shortened."""

CHANGE_FILE = FileType("description of a change", ModelError, 64 * KIB)


class Change(BaseModel):
    """What a version was replaced by.

    Args:
        change: The change, in a few words.
        time: Time of the change (ISO 8601, UTC).
    """

    change: str
    time: str


UNKNOWN = Change(change="unknown change", time="unknown time")
"""Change of a version whose description cannot be read: the model in it may be in order."""


@dataclass(frozen=True)
class Version:
    """A former version of a model.

    Args:
        folder: Folder with the version's files.
        change: Change that ``undo`` would take back.
    """

    folder: Path
    change: Change


@contextmanager
def keeping(folder: Path, change: str, config: bytes) -> Iterator[None]:
    """Keep the model that the block replaces, unless the new one equals it.

    Afterwards, what was undone cannot be redone any more, and the oldest versions are removed. If
    the block fails, former versions and what was undone stay.

    Args:
        folder: Resolved folder of the model.
        change: The change, in a few words.
        config: Content of config.json of the new model.

    Raises:
        OutputError: The version cannot be written.
    """
    history = folder / HISTORY
    with held(folder, owns):
        replaced = _content(folder)
        if replaced != config:
            make_folder(history)
            for latest in _kept(history)[:1]:
                if _content(latest) == replaced:
                    _remove(latest)
            _store(folder, history, change)
    yield
    if replaced != config:
        with suppress(OutputError), held(folder, owns):  # The model is replaced: no error now.
            if (history / UNDONE).is_dir():
                _remove(history / UNDONE)
            _forget(history)


def undo(folder: str | Path) -> Version:
    """Replace a model by its latest former version.

    Args:
        folder: Folder of the model.

    Returns:
        What the model now is; its former folder no longer exists.

    Raises:
        ModelError: There is no former version, or it is damaged.
    """
    return _exchange(folder, (), (UNDONE,), "nothing to undo")


def redo(folder: str | Path) -> Version:
    """Take the latest ``undo`` back.

    Raises:
        ModelError: Nothing was undone since the last change, or it is damaged.
    """
    return _exchange(folder, (UNDONE,), (), "nothing to redo")


def versions(folder: str | Path) -> list[Version]:
    """Return the former versions of a model, the latest first."""
    found = current(user_path(folder, ModelError).resolve())
    return _versions(found / HISTORY, _content(found))


def can_undo(folder: Path) -> bool:
    """Return whether there is a former version that can replace the model; it is read for this."""
    try:
        found = versions(folder)
        if found:
            _check(found[0].folder)
    except (ModelError, OSError):
        return False
    return bool(found)


@contextmanager
def editing(folder: str | Path) -> Iterator[None]:
    """Hold a model while it is read, changed and saved: other editors wait, so no change is lost.

    Args:
        folder: Folder of an existing model.

    Raises:
        ModelError: There is no model.
    """
    found = _model(folder)
    with held(found, owns):
        make_folder(found / HISTORY)
        handle = opened(found / HISTORY)
    with locked(handle):
        yield


def _exchange(
    folder: str | Path, source: tuple[str, ...], target: tuple[str, ...], nothing: str
) -> Version:
    """Replace the model by the latest version below one folder, and keep it below another."""
    found = _model(folder)
    with editing(found), output_errors(found):
        with held(found, owns):
            history = found / HISTORY
            before = _versions(history.joinpath(*source), _content(found))
            if not before:
                raise ModelError(nothing, where=str(found))
            version = before[0]
            _check(version.folder)
            to = history.joinpath(*target)
            make_folder(to)
            _store(found, to, version.change.change, version.change.time)

        def fill(new: Path) -> None:
            for path in version.folder.iterdir():
                if owns(path.name):
                    _link(path, new / path.name)

        replace_folder(found, fill, owns)
        _remove(version.folder)
    return version


def _model(folder: str | Path) -> Path:
    found = user_path(folder, ModelError).resolve()
    if not current(found).is_dir():
        raise ModelError("no such folder", where=str(folder), expected="a saved model")
    return found


def _store(folder: Path, target: Path, change: str, time: str | None = None) -> None:
    """Link the files of a model into a new version below a folder."""
    with temporary(target / NEW, folder=True) as new:
        for path in folder.iterdir():
            if owns(path.name):
                _link(path, new / path.name)
        time = time or datetime.now(UTC).isoformat(timespec="seconds")
        facts = Change(change=_short(change), time=time).model_dump()
        (new / CHANGE).write_text(json.dumps(facts) + "\n")
        for path in (*new.iterdir(), new):
            sync(path)
        _publish(new, target)
    sync(target)


def _short(change: str) -> str:
    """Return the text of a change as it is stored: legible, and short enough to be read again."""
    text = legible(change)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _publish(new: Path, target: Path) -> None:
    """Give a version the next number; another process may take it first."""
    while True:
        number = 1 + max((int(name) for name in os.listdir(target) if name.isdecimal()), default=0)
        try:
            os.rename(new, target / f"{number:06}")
            return
        except OSError:
            if not (target / f"{number:06}").exists():
                raise


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # A disk without hard links.
        shutil.copyfile(source, target)


def _versions(history: Path, current: bytes) -> list[Version]:
    """Return the versions below a folder that differ from the model, the latest first."""
    if not history.is_dir():
        return []
    return [Version(path, _change(path)) for path in _kept(history) if _content(path) != current]


def _change(version: Path) -> Change:
    try:
        return CHANGE_FILE.model(version / CHANGE, Change)
    except ModelError:
        return UNKNOWN


def _kept(history: Path) -> list[Path]:
    """Return the folders of all versions, the latest first."""
    return sorted((p for p in history.iterdir() if p.name.isdecimal()), reverse=True)


def _content(folder: Path) -> bytes:
    """Return config.json, which has the hashes of all other files; empty if it is missing."""
    path = folder / CONFIG
    return CONFIG_FILE.content(path) if path.is_file() else b""


def _remove(version: Path) -> None:
    """Remove a version, or all that were undone, at once: a part of one would be a damaged one."""
    discard(version, of=version.with_name(NEW))


def _check(version: Path) -> None:
    """Refuse a version that is damaged, or cannot be read here: it must not replace the model.

    Raises:
        ModelError: It is damaged, or a newer version of fewact wrote it.
    """
    try:
        config = from_text(CONFIG_FILE.text(version / CONFIG), str(version / CONFIG))
        content_of(version, config, version)
    except NewerModelError:  # It is not damaged: removing it would lose it.
        raise
    except ModelError as error:
        hint = f"Remove {version} to undo the change before it."
        raise ModelError(error.what, where=error.where, got=error.got, hint=hint) from error


def _forget(history: Path) -> None:
    """Remove the oldest versions beyond the limits."""
    known: set[tuple[int, int]] = set()
    total = 0
    for i, version in enumerate(_kept(history)):
        for path in version.iterdir():
            facts = path.stat()
            if (facts.st_dev, facts.st_ino) not in known:
                known.add((facts.st_dev, facts.st_ino))
                total += facts.st_size
        if i >= MAX_VERSIONS or (i > 0 and total > MAX_BYTES):
            _remove(version)
