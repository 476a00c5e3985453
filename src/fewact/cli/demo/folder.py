"""The demo's folder: it writes over nothing that it has not written itself."""

import hashlib
import json
from pathlib import Path

from fewact.errors import DataError
from fewact.io.atomic import write_text

RECORD = "demo.json"
FORMAT = "fewact demo"
ELSEWHERE = "Name another folder with -o, or move this one away."


class DemoFolder:
    """A folder with a record of what the demo has written into it.

    Args:
        root: New, empty, or that of an earlier demo.

    Raises:
        DataError: It holds something else.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written = _read_record(root)
        root.mkdir(parents=True, exist_ok=True)
        self._save()

    def check(self, name: str) -> Path:
        """The path of a file that may be written.

        Args:
            name: Below the folder, with forward slashes.

        Raises:
            DataError: A file of this name is there that the demo did not write, or that was changed
                since.
        """
        path = self.root / name
        if path.exists() and (not path.is_file() or self._written.get(name) != _sha256(path)):
            raise DataError(
                "this is not the demo's, or was changed since", where=str(path), hint=ELSEWHERE
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        """Write a text file and put it on record.

        Raises:
            DataError: As ``check``.
        """
        write_text(self.check(name), text)
        self.record(name)

    def record(self, name: str) -> None:
        """Put a file on record that was written."""
        self._written[name] = _sha256(self.root / name)
        self._save()

    def _save(self) -> None:
        content = {"format": FORMAT, "files": self._written}
        write_text(self.root / RECORD, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _read_record(root: Path) -> dict[str, str]:
    """What an earlier demo has written, with its SHA-256."""
    if not root.exists():
        return {}
    if not root.is_dir():
        raise DataError("this is a file", where=str(root), expected="a folder", hint=ELSEWHERE)
    try:
        content = json.loads((root / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return dict(content.get("files", {}))
    if any(root.iterdir()):
        raise DataError("the folder holds something else", where=str(root), hint=ELSEWHERE)
    return {}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
