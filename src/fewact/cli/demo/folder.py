"""The demo's output folder: only files that a demo wrote are replaced."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel

from fewact.core.atomic import check_output_folder, write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.core.temporary import is_empty

RECORD = "demo.json"
FORMAT: Final = "fewact demo"
RECORD_FILE = FileType("record of a demo", DataError, 16 * MIB)
ELSEWHERE = "Choose another folder with -o, or move this one away."


class _Record(BaseModel):
    """Files that an earlier demo wrote, with their SHA-256, and those that it was writing."""

    format: Literal["fewact demo"] = FORMAT
    files: dict[str, str] = {}
    unfinished: set[str] = set()


class DemoFolder:
    """A folder with a record of the files that the demo wrote.

    Args:
        root: Folder that is new, empty, or of an earlier demo.

    Raises:
        DataError: The folder has other files.
        OutputError: The folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._record = _read_record(root)
        check_output_folder(root)
        self._save()

    def check(self, name: str) -> Path:
        """Return the path of a file that may be written.

        Args:
            name: Path relative to the folder, with forward slashes.

        Raises:
            DataError: The file exists, and the demo did not write it or it was changed later.
        """
        path = self.root / name
        own = name in self._record.unfinished or not path.exists()
        if not own and not (path.is_file() and self._record.files.get(name) == _sha256(path)):
            raise DataError(
                "the file is not from the demo, or was changed later",
                where=str(path),
                hint=ELSEWHERE,
            )
        return path

    def write(self, name: str, text: str) -> None:
        """Write a text file and add it to the record.

        Raises:
            DataError: As for ``check``.
        """
        with self.writing(name) as path:
            write_text(path, text)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield the path of a file that the block writes; it is recorded before and after.

        Raises:
            DataError: As for ``check``.
        """
        path = self.check(name)
        self._record.unfinished.add(name)  # If the demo is killed now, the file is still its own.
        self._save()
        yield path
        self._record.unfinished.remove(name)
        self._record.files[name] = _sha256(path)
        self._save()

    def _save(self) -> None:
        write_text(self.root / RECORD, self._record.model_dump_json(indent=2) + "\n")


def _read_record(root: Path) -> _Record:
    """Return what an earlier demo recorded; empty for a new folder."""
    if not root.exists():
        return _Record()
    if not root.is_dir():
        raise DataError("this is a file", where=str(root), expected="a folder", hint=ELSEWHERE)
    with suppress(DataError):
        return RECORD_FILE.model(root / RECORD, _Record)
    if not is_empty(root):
        raise DataError("the folder has other files", where=str(root), hint=ELSEWHERE)
    return _Record()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
