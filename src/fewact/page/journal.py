"""The journal of the page: one file to which entries are appended, and the only truth there is.

Each line is a JSON object: an entry, and the checksum of its text. A line is on the disk before the
change is answered. What a killed program or a full disk left of the last line is ignored, and the
next entry takes its place.
"""

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from fewact.core.atomic import output_errors, write_bytes
from fewact.core.bounded import MIB, FileType, size_text
from fewact.core.errors import ModelError, OutputError
from fewact.page.state import (
    ENTRY,
    MOST_UNDO,
    AnyEntry,
    PageState,
    StateSnapshot,
    StepUndone,
    after,
    check_actions,
    fold,
    new_id,
    undone_by,
)

JOURNAL_FILE = FileType(
    "journal of the page", ModelError, 256 * MIB, hint="Move it away to start with an empty page."
)
MOST_ENTRIES: Final = 5000
"""Number of entries from which the oldest ones become a snapshot."""

MOST_LATEST: Final = 2500
"""Number of the latest ones that stay then: more than the uploads of one step, so that it can be
undone."""

MOST_BYTES: Final = 64 * MIB
"""Size from which they do."""


class Journal:
    """Entries of one page, and the state that they add up to.

    Args:
        path: File; it is created if it does not exist.

    Raises:
        ModelError: It is damaged or of another version.
        OutputError: It cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            write_bytes(path, _line(StateSnapshot(id=new_id(), state=PageState())))
        self._entries, self._size = _read(path)
        self._ids = {entry.id: entry for entry in self._entries}
        self.state = fold(self._entries)

    def entry(self, id: str) -> AnyEntry | None:
        """Return the entry with this id; None if there is none."""
        return self._ids.get(id)

    def append(self, entry: AnyEntry) -> bool:
        """Append an entry, unless it changes nothing; it is on the disk when this returns.

        Returns:
            Whether it changed the state.

        Raises:
            DataError: The user added too many actions.
            OutputError: It cannot be written; the journal is as before.
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
        if len(self._entries) > MOST_ENTRIES or self._size > MOST_BYTES:
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

    Args:
        entries: All entries.
        state: What they add up to.
        most: Number of the latest entries that may stay.
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
    """Return the entry of a line without its end.

    Raises:
        ValueError: It is no entry, or damaged.
    """
    begin = len(_BEGIN) + 8 + len(_MIDDLE)
    text = line[begin:-1]
    if line[:begin] != b"%s%08x%s" % (_BEGIN, zlib.crc32(text), _MIDDLE) or line[-1:] != b"}":
        raise ValueError("the checksum is wrong")
    return ENTRY.validate_json(text)


def _read(path: Path) -> tuple[list[AnyEntry], int]:
    """Return the entries of a journal, and the size of the file up to the end of the last one.

    Raises:
        ModelError: It is damaged or of another version.
    """
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
