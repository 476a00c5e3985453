"""Set of a store: arrays of videos that were computed alike, by the videos' fingerprints."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from fewact.errors import StoreError
from fewact.features.store.shard import Entry, Layout, Shape, Shard, shards, write_shard
from fewact.io.atomic import write_text
from fewact.io.bounded import MIB, FileType
from fewact.io.temporary import remove_leftovers

FILE: Final = "set.json"
SET = FileType(
    "file of a set's facts",
    StoreError,
    16 * MIB,
    hint="Move the file elsewhere; `fewact embed` writes it again and keeps the set.",
)

Facts = Mapping[str, JsonValue]
"""All facts that decide the arrays of a video, as JSON."""


def digest(facts: Facts) -> str:
    """Return the SHA-256 of facts; their order does not count."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact set"] = "fewact set"
    version: Literal[1] = 1
    facts: dict[str, JsonValue]
    layout: dict[str, Shape]


class EntrySet:
    """Arrays of videos that were computed alike.

    Other processes may add videos at the same time; ``refresh`` finds them.

    Args:
        folder: Folder of the set in the store.

    Attributes:
        facts: All facts that decide the arrays of a video.
        digest: SHA-256 of the facts.
        layout: Names, types and shapes of a video's arrays.
        damaged: Shards that cannot be read, and why; their videos count as missing.

    Raises:
        StoreError: The folder is not a set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        document = _read(folder / FILE)
        self.facts: Facts = document.facts
        self.layout: Layout = document.layout
        self.digest = digest(self.facts)
        self.damaged: dict[Path, str] = {}
        self._index: dict[str, tuple[Shard, int]] = {}
        self._known: set[str] = set()
        self.refresh()

    @classmethod
    def create(cls, folder: Path, facts: Facts, layout: Layout) -> "EntrySet":
        """Create a set, or open the existing one.

        Raises:
            StoreError: The existing set has other facts or another layout.
        """
        remove_leftovers(folder)
        if not (folder / FILE).exists():
            document = _Document(facts=json.loads(json.dumps(facts)), layout=dict(layout))
            write_text(folder / FILE, document.model_dump_json(indent=2) + "\n")
        made = cls(folder)
        if made.digest != digest(facts) or made.layout != dict(layout):
            raise StoreError(
                "contains another set under this name",
                where=str(folder / FILE),
                got=f"{made.layout}",
                expected=f"{dict(layout)}",
            )
        return made

    def refresh(self) -> None:
        """Find shards that were added since."""
        for path in shards(self.folder):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            try:
                self._add(Shard(path, self.digest, self.layout))
            except StoreError as error:
                self.damaged[path] = str(error)

    def _add(self, shard: Shard) -> None:
        for row, video in enumerate(shard.videos):
            self._index.setdefault(video, (shard, row))

    def __contains__(self, fingerprint: object) -> bool:
        return fingerprint in self._index

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    @property
    def bytes_a_video(self) -> int:
        """Size of a video's arrays in bytes."""
        return sum(shape.nbytes for shape in self.layout.values())

    def read(self, fingerprint: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of one video.

        Raises:
            KeyError: The set does not contain it.
            StoreError: Its shard is damaged.
        """
        shard, row = self._index[fingerprint]
        return shard.read(row)

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add videos, all of them or none.

        A damaged shard of the same videos is replaced.

        Args:
            entries: Arrays by fingerprint.

        Raises:
            StoreError: An entry has another layout.
            OutputError: The shard cannot be written.
        """
        for fingerprint, entry in entries.items():
            found = {name: Shape(one.dtype.name, one.shape) for name, one in entry.items()}
            if found != self.layout:
                raise StoreError(
                    "the layout differs from the layout of the set",
                    where=f"video {fingerprint[:12]}",
                    got=f"{found}",
                    expected=f"{dict(self.layout)}",
                )
        if not entries:
            return
        path = write_shard(self.folder, self.digest, entries)
        self._known.add(path.name)
        self.damaged.pop(path, None)
        self._add(Shard(path, self.digest, self.layout))


def _read(path: Path) -> _Document:
    return SET.model(path, _Document)
