"""A folder of features: sets of what was made of videos, and which videos were seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.errors import StoreError
from fewact.features.store.entries import FILE, EntrySet, Facts, digest
from fewact.features.store.known_videos import KnownVideos
from fewact.features.store.shard import Layout
from fewact.io.atomic import write_text

MARK: Final = "store.json"
EXPECTED = "a folder that `fewact embed` has made"


class _Mark(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact store"] = "fewact store"
    version: Literal[1] = 1


class Store:
    """Features on disk, read and written by many processes at once.

    A set holds what was made of videos in one way, and is named by the SHA-256 of all that decides
    it: features of another transform or of other weights are another set. In a set a video goes by
    its fingerprint, wherever it lies and whatever it is called.

    Args:
        folder: Where it lies.

    Raises:
        StoreError: The folder is no store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()
        mark = self.folder / MARK
        try:
            _Mark.model_validate_json(mark.read_bytes())
        except OSError as error:
            raise StoreError(
                "is no store", where=str(folder), got=f"{error.strerror}: {MARK}", expected=EXPECTED
            ) from None
        except ValidationError as error:
            raise StoreError(
                "is no store that this version can read",
                where=str(mark),
                got=error.errors()[0]["msg"],
                expected=EXPECTED,
            ) from None
        self.known = KnownVideos(self.folder / "lists")

    @classmethod
    def create(cls, folder: str | Path) -> "Store":
        """Make a store, or take the one that is there.

        Raises:
            StoreError: The folder holds something else.
            OSError: It cannot be written.
        """
        path = Path(folder).expanduser()
        if path.exists() and not path.is_dir():
            raise StoreError("this is a file", where=str(path), expected="a folder")
        strange = path.exists() and any(one.name[0] != "." for one in path.iterdir())
        # Looked for after the rest: where another process makes the store now, it comes first.
        if not (path / MARK).exists():
            if strange:
                raise StoreError(
                    "holds something else",
                    where=str(path),
                    expected="a new or empty folder, or a store",
                )
            write_text(path / MARK, _Mark().model_dump_json() + "\n")
        return cls(path)

    def sets(self) -> Iterator[EntrySet]:
        """All sets.

        Raises:
            StoreError: One does not say what it is of.
        """
        for file in sorted(self.folder.glob(f"sets/*/{FILE}")):
            yield EntrySet(file.parent)

    def find(self, facts: Facts) -> EntrySet | None:
        """The set of these facts, if there is one."""
        folder = self._folder(facts)
        return EntrySet(folder) if (folder / FILE).exists() else None

    def make(self, facts: Facts, layout: Layout) -> EntrySet:
        """The set of these facts, made where there is none.

        Args:
            facts: All that decides what is made of a video.
            layout: Names, types and shapes of a video's arrays.

        Raises:
            StoreError: There is one of another layout.
            OSError: It cannot be written.
        """
        return EntrySet.create(self._folder(facts), facts, layout)

    def _folder(self, facts: Facts) -> Path:
        return self.folder / "sets" / digest(facts)[:24]
