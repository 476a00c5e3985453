"""Store: a folder with sets of features, and the known videos of each list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.core.atomic import mode_of, write_text
from fewact.core.bounded import KIB, FileType
from fewact.core.errors import StoreError
from fewact.core.paths import user_path
from fewact.features.store.entries import FILE, EntrySet, Facts, digest
from fewact.features.store.known_videos import KnownVideos
from fewact.features.store.shard import Layout

MARK: Final = "store.json"
EXPECTED = "a folder that `fewact embed` has written"
MARK_FILE = FileType("feature store", StoreError, 64 * KIB, EXPECTED)


class _Mark(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact store"] = "fewact store"
    version: Literal[1] = 1


class Store:
    """Features on disk, read and written by many processes at once.

    A set contains features of videos that were computed alike. Its name is the SHA-256 of all facts
    that decide the features: another transform or other weights give another set. A set identifies
    a video by its fingerprint, so that its path and name do not matter.

    Args:
        folder: Folder of the store.

    Raises:
        StoreError: The folder is not a feature store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = user_path(folder, StoreError)
        mark = self.folder / MARK
        if not mark.exists():
            MARK_FILE.refuse(folder, MARK_FILE.other, f"no file {MARK}")
        try:
            _Mark.model_validate_json(MARK_FILE.content(mark))
        except ValidationError as error:
            raise StoreError(
                "is a store of another version",
                where=str(mark),
                got=error.errors()[0]["msg"],
                expected=EXPECTED,
            ) from None
        self.known = KnownVideos(self.folder / "lists")

    @classmethod
    def create(cls, folder: str | Path) -> "Store":
        """Create a store, or open the existing one.

        Raises:
            StoreError: The folder contains other files.
            OutputError: The folder cannot be written.
        """
        path = user_path(folder, StoreError)
        if path.exists() and not path.is_dir():
            raise StoreError("this is a file", where=str(path), expected="a folder")
        other = path.exists() and any(one.name[0] != "." for one in path.iterdir())
        # Checked last: another process that creates the store now writes this file first.
        if not (path / MARK).exists():
            if other:
                raise StoreError(
                    "contains other files",
                    where=str(path),
                    expected="a new or empty folder, or a store",
                )
            write_text(path / MARK, _Mark().model_dump_json() + "\n")
        return cls(path)

    def sets(self) -> Iterator[EntrySet]:
        """Return all sets.

        Raises:
            StoreError: The facts of a set cannot be read.
            OSError: A folder cannot be read, which ``glob`` would take for an empty one.
        """
        folder = self.folder / "sets"
        for one in sorted(folder.iterdir()) if folder.exists() else ():
            if mode_of(one / FILE) is not None:
                yield EntrySet(one)

    def find(self, facts: Facts) -> EntrySet | None:
        """Return the set with these facts, or None."""
        folder = self._folder(facts)
        return EntrySet(folder) if (folder / FILE).exists() else None

    def make(self, facts: Facts, layout: Layout) -> EntrySet:
        """Return the set with these facts; it is created if there is none.

        Args:
            facts: All facts that decide the arrays of a video.
            layout: Names, types and shapes of a video's arrays.

        Raises:
            StoreError: The existing set has another layout.
            OutputError: The set cannot be written.
        """
        return EntrySet.create(self._folder(facts), facts, layout)

    def _folder(self, facts: Facts) -> Path:
        return self.folder / "sets" / digest(facts)[:24]
