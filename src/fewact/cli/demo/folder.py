"""The demo's output folder: only files that a demo wrote are replaced."""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from fewact.errors import DataError
from fewact.io.atomic import write_text
from fewact.io.bounded import MIB, FileType

RECORD = "demo.json"
FORMAT = "fewact demo"
RECORD_FILE = FileType("record of a demo", DataError, 16 * MIB)
ELSEWHERE = "Choose another folder with -o, or move this one away."


class _Record(BaseModel):
    """Files that an earlier demo wrote, with their SHA-256."""

    format: Literal["fewact demo"]
    files: dict[str, str]


class DemoFolder:
    """A folder with a record of the files that the demo wrote.

    Args:
        root: Folder that is new, empty, or of an earlier demo.

    Raises:
        DataError: The folder has other files.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written = _read_record(root)
        root.mkdir(parents=True, exist_ok=True)
        self._save()

    def check(self, name: str) -> Path:
        """Return the path of a file that may be written.

        Args:
            name: Path relative to the folder, with forward slashes.

        Raises:
            DataError: The file exists, and the demo did not write it or it was changed later.
        """
        path = self.root / name
        if path.exists() and (not path.is_file() or self._written.get(name) != _sha256(path)):
            raise DataError(
                "the file is not from the demo, or was changed later",
                where=str(path),
                hint=ELSEWHERE,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        """Write a text file and add it to the record.

        Raises:
            DataError: As for ``check``.
        """
        write_text(self.check(name), text)
        self.record(name)

    def record(self, name: str) -> None:
        """Add a written file to the record."""
        self._written[name] = _sha256(self.root / name)
        self._save()

    def _save(self) -> None:
        content = {"format": FORMAT, "files": self._written}
        write_text(self.root / RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _read_record(root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that an earlier demo wrote."""
    if not root.exists():
        return {}
    if not root.is_dir():
        raise DataError("this is a file", where=str(root), expected="a folder", hint=ELSEWHERE)
    try:
        content = RECORD_FILE.model(root / RECORD, _Record)
    except DataError:
        content = None
    if content is not None:
        return content.files
    if any(root.iterdir()):
        raise DataError("the folder has other files", where=str(root), hint=ELSEWHERE)
    return {}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
