"""A disk that loses power: changes of files are recorded, and what a crash may leave is made.

The rules are those of POSIX, stricter than most disks: the content of a file is safe when the file
was synced after it was written, and a new, renamed or removed name when its folder was synced after
that. Of everything else any part may be lost, each on its own; a rename is never half done.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Change:
    """A change of a file or folder.

    Args:
        what: ``write`` (opened for writing), ``mkdir``, ``rename``, ``link``, ``remove`` (a file or
            an empty folder) or ``sync``.
        path: Its path, relative to the recorded folder.
        to: New path of a rename or link.
        content: Content of a synced file; None for a folder.
    """

    what: str
    path: str
    to: str = ""
    content: bytes | None = None


def record(folder: Path, keep: Callable[[Change], None]) -> None:
    """Call ``keep`` before each change below a folder, and after each sync; for good.

    Writes by other languages are not noticed, but their files are created by Python here.
    """
    root = os.fspath(folder)

    def relative(path: Any, at: int = -1) -> str | None:
        name = os.fsdecode(path)
        if at != -1:
            name = os.path.join(os.readlink(f"/proc/self/fd/{at}"), name)
        return os.path.relpath(name, root) if f"{name}/".startswith(f"{root}/") else None

    def audit(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[2], int) and given[2] & WRITES:
            if not isinstance(given[0], int) and os.path.isdir(given[0]):
                return  # A file without a name in this folder: nothing of it can be left.
            path = None if isinstance(given[0], int) else relative(given[0])
            keep_if(Change("write", path) if path else None)
        elif event in ("os.rename", "os.link"):
            paths = relative(given[0], given[2]), relative(given[1], given[3])
            what = event.removeprefix("os.")
            keep_if(Change(what, paths[0], paths[1]) if paths[0] and paths[1] else None)
        elif event == "os.mkdir":
            path = relative(given[0], given[2])
            keep_if(Change("mkdir", path) if path else None)
        elif event in ("os.remove", "os.rmdir"):
            path = relative(given[0], given[1])
            keep_if(Change("remove", path) if path else None)

    def keep_if(change: Change | None) -> None:
        if change is not None:
            keep(change)

    sync = os.fsync

    def fsync(handle: int) -> None:
        sync(handle)
        place = os.readlink(f"/proc/self/fd/{handle}")
        if path := relative(place):
            content = None if os.path.isdir(place) else Path(place).read_bytes()
            keep(Change("sync", path, content=content))

    sys.addaudithook(audit)
    os.fsync = fsync


@dataclass
class _File:
    """A file: its content when it was last synced, and what is being written to it."""

    safe: bytes | None = None
    later: bytes = b""
    written: bool = False


@dataclass
class _Folder:
    entries: dict[str, "_File | _Folder"] = field(default_factory=dict)


class Disk:
    """What is on a disk after each change.

    Args:
        before: Content of the files before the first change, by relative path; all is safe.
        changes: Recorded changes.
        after: Content of the files after the last change.
    """

    def __init__(
        self, before: Mapping[str, bytes], changes: Sequence[Change], after: Mapping[str, bytes]
    ) -> None:
        self._before, self._changes, self._after = before, changes, after

    def crash(self, at: int, kept: float, draw: np.random.Generator) -> dict[str, bytes | None]:
        """Return what a power loss may leave: content by path; None for a folder.

        Args:
            at: Number of changes before it.
            kept: Probability with which a change that is not safe survives.
            draw: Chooses what survives.
        """
        files = {path: _File(content) for path, content in self._before.items()}
        # The whole history first: it says which file a name meant when it was opened or synced.
        opened, safe = self._opened(at, files), self._safe(at)
        root = _tree(files)
        for number, change in enumerate(self._changes[:at]):
            if change.what != "sync" and (number in safe or draw.random() < kept):
                _apply(root, change, opened.get(number))
        return dict(_listed(root, "", draw))

    def _safe(self, at: int) -> set[int]:
        """Return the changes whose folders were all synced afterwards."""
        synced, safe = set(), set()
        for number in reversed(range(at)):
            change = self._changes[number]
            if change.what == "sync" and change.content is None:
                synced.add(change.path)
            names = (
                [change.to] if change.what == "link" else [change.path, change.to or change.path]
            )
            if all((os.path.dirname(name) or ".") in synced for name in names):
                safe.add(number)
        return safe

    def _opened(self, at: int, before: Mapping[str, _File]) -> dict[int, _File]:
        """Return the file that each write opened, with its content after ``at`` changes."""
        root = _tree(before)
        opened: dict[int, _File] = {}
        for number, change in enumerate(self._changes):
            if change.what == "sync":
                found = _get(root, change.path)
                if isinstance(found, _File) and change.content is not None:
                    found.later = change.content
                    if number < at:
                        found.safe, found.written = change.content, False
                continue
            if change.what == "write":
                found = _get(root, change.path)
                file = found if isinstance(found, _File) else _File()
                file.written = file.written or number < at
                opened[number] = file
            _apply(root, change, opened.get(number))
        for path, content in self._after.items():
            found = _get(root, path)
            if isinstance(found, _File):
                found.later = content
        return opened


def write_out(state: Mapping[str, bytes | None], folder: Path) -> None:
    """Make the files and folders of a state in an empty folder."""
    for name, content in state.items():
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _parent(root: _Folder, path: str) -> tuple[_Folder | None, str]:
    *folders, name = path.split("/")
    for one in folders:
        found = root.entries.get(one)
        if not isinstance(found, _Folder):
            return None, name
        root = found
    return root, name


def _get(root: _Folder, path: str) -> _File | _Folder | None:
    parent, name = _parent(root, path)
    return None if parent is None else parent.entries.get(name)


def _tree(files: Mapping[str, _File]) -> _Folder:
    root = _Folder()
    for path, file in files.items():
        *folders, name = path.split("/")
        folder = root
        for one in folders:
            inner = folder.entries.setdefault(one, _Folder())
            assert isinstance(inner, _Folder)
            folder = inner
        folder.entries[name] = file
    return root


def _apply(root: _Folder, change: Change, file: _File | None) -> None:
    """Change names; a change that is not possible, because an earlier one was lost, is lost too."""
    parent, name = _parent(root, change.path)
    if parent is None:
        return
    found = parent.entries.get(name)
    if change.what == "write" and found is None and file is not None:
        parent.entries[name] = file
    elif change.what == "mkdir" and found is None:
        parent.entries[name] = _Folder()
    elif change.what == "remove":  # A folder was empty, also if a loss has kept what was in it.
        parent.entries.pop(name, None)
    elif change.what == "link" and isinstance(found, _File):
        target, new = _parent(root, change.to)
        if target is not None:
            target.entries[new] = found
    elif change.what == "rename" and found is not None:
        target, new = _parent(root, change.to)
        old = None if target is None else target.entries.get(new)
        if target is not None and not (isinstance(old, _Folder) and old.entries):
            target.entries[new] = parent.entries.pop(name)


def _listed(folder: _Folder, prefix: str, draw: np.random.Generator) -> Any:
    for name, one in folder.entries.items():
        if isinstance(one, _Folder):
            yield prefix + name, None
            yield from _listed(one, f"{prefix}{name}/", draw)
        else:
            yield prefix + name, _content(one, draw)


def _content(file: _File, draw: np.random.Generator) -> bytes:
    """Return what may be read from a file: nothing that was not synced is sure."""
    safe = file.safe or b""
    if not file.written:
        return safe
    longer = file.later if file.later.startswith(safe) else safe
    cut = longer[: draw.integers(len(safe), len(longer) + 1)]
    zeros = safe + bytes(len(longer) - len(safe))
    return [safe, cut, zeros, longer][draw.integers(4)]
