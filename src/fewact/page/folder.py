"""The folder of the page below a model: its clips, their thumbnails and the journal.

Clips are written under a temporary name, synced and renamed. Saving a model leaves this folder
alone. The journal is the only truth there is: one file to which entries are appended. Each line is
a JSON object: an entry, and the checksum of its text. A line is on the disk before the change is
answered. An incomplete last line, left by a killed program or a full disk, is ignored, and the next
entry takes its place.
"""

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from fewact.classifier.history import JOURNAL
from fewact.classifier.names import STORED_FILE
from fewact.core.atomic import (
    is_temporary,
    make_folder,
    output_errors,
    remove_leftovers,
    sync,
    temporary,
    write_bytes,
)
from fewact.core.bounded import GIB, MIB, FileType, size_text
from fewact.core.errors import ModelError, OutputError
from fewact.core.locks import exclusive
from fewact.core.paths import user_path
from fewact.data import VIDEO_SUFFIXES
from fewact.data.files import is_saved_model
from fewact.page.state import (
    ENTRY,
    MOST_UNDO,
    AnyEntry,
    PageState,
    RefusedError,
    StateSnapshot,
    StepUndone,
    after,
    check_actions,
    fold,
    new_id,
    undone_by,
)

PAGE_FOLDER: Final = "page"
"""Folder of the page below a model. Saving a model keeps it, for the journal in it."""

MOST_CLIPS: Final = 2000
MOST_BYTES: Final = 1 * GIB
RESERVED: Final = 1 * GIB
"""Bytes of the disk that uploads and model files leave free."""

JOURNAL_FILE = FileType(
    "journal of the page", ModelError, 256 * MIB, hint="Move it away to start with an empty page."
)
MOST_ENTRIES: Final = 5000
"""Number of entries from which the oldest ones become a snapshot."""

MOST_LATEST: Final = 2500
"""Number of the latest ones that stay then: more than the uploads of one step, so that it can be
undone."""

MOST_JOURNAL_BYTES: Final = 64 * MIB
"""Size of the journal from which they do, too."""


class PageFolder:
    """Clips and journal of one model, whose folder is created if it does not exist."""

    def __init__(self, model: Path) -> None:
        self.model = user_path(model, ModelError).resolve()
        self._check()
        with output_errors(self.model):
            make_folder(self.model / PAGE_FOLDER / "lock")
        self.path = self.model / PAGE_FOLDER
        self._reserved_bytes = self._reserved_clips = 0
        self._lock = exclusive(self.path / "lock" / "serve")
        with ExitStack() as on_failure:
            if self._lock is None:
                raise ModelError(
                    "another `fewact serve` has this model open",
                    where=str(model),
                    hint="Use the page that is open already, or stop the other server first.",
                )
            on_failure.callback(self.close)
            remove_leftovers(self.path)
            self.journal = Journal(self.path / JOURNAL)
            on_failure.pop_all()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append(self, entry: AnyEntry) -> bool:
        """Append an entry to the journal, see ``Journal.append``."""
        with self._writing():
            return self.journal.append(entry)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield a new file for an upload; it is removed at the end unless ``keep`` has moved it."""
        with self._writing(), temporary(self.path / new_id()) as new:
            yield new

    @contextmanager
    def reserved(self, *, size: int = 0, clips: int = 0) -> Iterator[None]:
        """Reserve bytes and clips until the block ends, so that requests share the limits.

        Bytes that the block has written already count twice, so that the limit is never exceeded.
        """
        count = len(self.journal.state.clips) + self._reserved_clips
        if clips and count + clips > MOST_CLIPS:
            raise RefusedError(409, "too_many")
        if size:
            with self._writing():
                free = shutil.disk_usage(self.model).free
            if free < self._reserved_bytes + size + RESERVED:
                raise OutputError("the disk is nearly full", where=str(self.path))
        self._reserved_bytes += size
        self._reserved_clips += clips
        try:
            yield
        finally:
            self._reserved_bytes -= size
            self._reserved_clips -= clips

    def keep(self, new: Path, suffix: str, strip: bytes) -> tuple[str, str]:
        """Give an upload and its thumbnail their names; return the id and the file's name."""
        id = new_id()
        file = f"{id}{suffix}"
        with self._writing():
            write_bytes(self.path / f"{id}.strip", strip)
            sync(new)
            os.replace(new, self.path / file)
            sync(self.path)
        return id, file

    def restore_strip(self, file: str, strip: bytes) -> None:
        """Write the thumbnail of a clip again."""
        with self._writing():
            write_bytes(self.path / _strip_of(file), strip)

    def strip(self, file: str) -> Path:
        """Return the path of the thumbnail of a clip."""
        return self.path / _strip_of(file)

    def forget(self, file: str) -> None:
        """Remove a clip for good, as the user requested."""
        with self._writing():
            # The thumbnail first: without its clip no start would find it.
            for name in (_strip_of(file), file):
                (self.path / name).unlink(missing_ok=True)
            sync(self.path)

    def forget_deleted(self, state: PageState) -> None:
        """Remove clips that were deleted for good, and that a killed server had not removed."""
        deleted = {file for file, *_ in state.deleted.values()}
        for file in deleted.intersection(self.unlisted(state)):
            self.forget(file)

    def unlisted(self, state: PageState) -> list[str]:
        """Return clips that are not in the state: a killed server had written them."""
        listed = {clip.file for clip in state.clips.values()}
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if STORED_FILE.fullmatch(entry.name)
            and entry.suffix in VIDEO_SUFFIXES
            and entry.name not in listed
        )

    def _check(self) -> None:
        """Refuse a folder with files of something else."""
        if not self.model.exists():
            return
        if not self.model.is_dir():
            raise ModelError("this is a file", where=str(self.model), expected="a folder")
        names = {entry.name for entry in self.model.iterdir() if not is_temporary(entry.name)}
        page = self.model / PAGE_FOLDER
        begun = names == {PAGE_FOLDER} and {entry.name for entry in page.iterdir()} <= {"lock"}
        if (
            names
            and not is_saved_model(self.model)
            and not (page / JOURNAL).is_file()
            and not begun
        ):
            raise ModelError(
                "the folder has other files, but no model",
                where=str(self.model),
                expected="a folder of a model, or a new name",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Refuse to write if the folder was moved or removed, or the disk refuses."""
        with output_errors(self.path):
            if not self.path.is_dir():  # writing would begin another model in its place
                raise OutputError(
                    "the folder of the model is not there any more",
                    where=str(self.model),
                    hint="Move it back, or stop the program and start it with the new folder.",
                )
            yield


def suffix_of(name: str) -> str:
    """Return the suffix for the file of an upload: that of its name, if it is one of a video."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES else ".mp4"


def _strip_of(file: str) -> str:
    return f"{PurePosixPath(file).stem}.strip"


class Journal:
    """Entries of one page, and the state that they add up to; the file is created if need be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            write_bytes(path, _line(StateSnapshot(id=new_id(), state=PageState())))
        self._entries, self._size = _read(path)
        if not self._entries:  # appending to it would make a journal without a beginning
            JOURNAL_FILE.refuse(path, "the journal of the page is empty")
        self._ids = {entry.id: entry for entry in self._entries}
        self.state = fold(self._entries)

    def entry(self, id: str) -> AnyEntry | None:
        """Return the entry with this id; None if there is none."""
        return self._ids.get(id)

    def append(self, entry: AnyEntry) -> bool:
        """Append an entry, and return whether it changed the state; else it is not written.

        It is on the disk when this returns. After an ``OutputError`` the journal is as before.
        """
        undoes = isinstance(entry, StepUndone)
        state = fold([*self._entries, entry]) if undoes else after(self.state, entry)
        if state == self.state:
            return False
        check_actions(self.state, entry, state)
        line = _line(entry)
        if self._size + len(line) > JOURNAL_FILE.ceiling:
            raise OutputError(
                "the journal of the page is too large",
                where=str(self._path),
                expected=f"at most {size_text(JOURNAL_FILE.ceiling)}",
            )
        with output_errors(self._path):
            self._write(line)
        self._size += len(line)
        self._entries.append(entry)
        self._ids[entry.id] = entry
        self.state = state
        if len(self._entries) > MOST_ENTRIES or self._size > MOST_JOURNAL_BYTES:
            with suppress(OutputError):  # a full disk: the long one is as good
                self._compact()
        return True

    def _write(self, line: bytes) -> None:
        with self._path.open("r+b", buffering=0) as file:
            file.truncate(self._size)  # what is left of an entry that could not be written
            file.seek(self._size)
            try:
                if file.write(line) != len(line):
                    raise OSError(28, os.strerror(28))
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(self._size)
                raise

    def _compact(self) -> None:
        """Replace the oldest entries by a snapshot; the latest steps can still be undone."""
        entries = compacted(self._entries, self.state, MOST_LATEST)
        lines = [_line(entry) for entry in entries]
        write_bytes(self._path, b"".join(lines))
        self._entries, self._size = entries, sum(map(len, lines))
        self._ids = {entry.id: entry for entry in entries}
        self.state = fold(entries)


def compacted(entries: list[AnyEntry], state: PageState, most: int) -> list[AnyEntry]:
    """Return fewer entries that add up to the same state, of which fewer steps can be undone.

    At most ``most`` of the latest entries stay.
    """
    position = {entry.id: i for i, entry in enumerate(entries)}
    begins = [position[step.entries[0]] for step in state.steps[-MOST_UNDO:]]
    end = len(entries)
    begin = min((at for at in begins if end - at <= most), default=end)
    undone = undone_by(entries)
    oldest = fold(entries[:begin], undone).model_copy(update={"steps": ()})
    first = StateSnapshot(id=new_id(), state=oldest)
    latest = [
        entry
        for entry in entries[begin:]
        if not isinstance(entry, StepUndone) or position[entry.step.entries[0]] >= begin
    ]
    return [first, *latest]


_BEGIN: Final = b'{"crc32":"'
_MIDDLE: Final = b'","entry":'


def _line(entry: AnyEntry) -> bytes:
    text = entry.model_dump_json().encode()
    return b"%s%08x%s%s}\n" % (_BEGIN, zlib.crc32(text), _MIDDLE, text)


def _entry_of(line: bytes) -> AnyEntry:
    """Return the entry of a line without its end, or raise a ``ValueError``."""
    begin = len(_BEGIN) + 8 + len(_MIDDLE)
    text = line[begin:-1]
    if line[:begin] != b"%s%08x%s" % (_BEGIN, zlib.crc32(text), _MIDDLE) or line[-1:] != b"}":
        raise ValueError("the checksum is wrong")
    return ENTRY.validate_json(text)


def _read(path: Path) -> tuple[list[AnyEntry], int]:
    """Return the entries of a journal, and the size of the file up to the end of the last one."""
    entries: list[AnyEntry] = []
    lines = JOURNAL_FILE.content(path).splitlines(keepends=True)
    size = 0
    for number, line in enumerate(lines, start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("the line is cut short")
            entry = _entry_of(line[:-1])
            if (number == 1) != isinstance(entry, StateSnapshot):
                raise ValueError("the journal does not begin with its only snapshot")
        except ValueError as error:
            if 1 < number == len(lines):  # it was never answered
                break
            raise ModelError(
                "the journal of the page is damaged or of another version",
                where=f"{path}, line {number}",
                got=str(error).splitlines()[0],
                hint=JOURNAL_FILE.hint,
            ) from error
        entries.append(entry)
        size += len(line)
    return entries, size
