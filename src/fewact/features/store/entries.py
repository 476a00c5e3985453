"""Set of a store: arrays of videos that were computed alike, by the videos' fingerprints."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OutputError, StoreError
from fewact.core.temporary import remove_leftovers
from fewact.features.store.index import FILE as INDEX
from fewact.features.store.index import KEY, NEW_FILES, names_in, read_index, write_index
from fewact.features.store.shard import SUFFIX, Entry, Layout, Shape, Shard, write_shard

FILE: Final = "set.json"
SET = FileType(
    "file of a set's facts",
    StoreError,
    16 * MIB,
    hint="Move the file elsewhere; `fewact embed` writes it again and keeps the set.",
)

OPEN: Final = 512
"""Largest number of shards that are mapped at the same time."""

Facts = Mapping[str, JsonValue]
"""All facts that decide the arrays of a video, as JSON."""


def digest(facts: Facts) -> str:
    """Return the SHA-256 of facts; their order does not count."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def as_key(fingerprint: str) -> bytes | None:
    """Return the bytes of a SHA-256 in lower-case hexadecimal digits; None for another name."""
    try:
        key = bytes.fromhex(fingerprint)
    except ValueError:
        return None
    return key if len(key) == KEY.itemsize and key.hex() == fingerprint else None


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
        damaged: Shards that cannot be read, and why; their videos count as missing. Shards in the
            index are not read before one of their videos is.

    Raises:
        StoreError: The folder is not a set.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        document = SET.model(folder / FILE, _Document)
        self.facts: Facts = document.facts
        self.layout: Layout = document.layout
        self.digest = digest(self.facts)
        self.damaged: dict[Path, str] = {}
        self._shard = lru_cache(OPEN)(self._open)
        present = names_in(folder, SUFFIX)
        self._index = read_index(folder / INDEX, self.digest, present)
        self._known = set(self._index.files)
        self._new: dict[str, tuple[str, ...]] = {}  # videos of shards that are not in the index
        self._places: dict[str, tuple[str, int]] = {}  # shard and row of these videos
        self._read_new(present)

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
        self._read_new(names_in(self.folder, SUFFIX))

    def _read_new(self, present: set[str]) -> None:
        """Read the shards that are not known yet; if they are many, put them into the index."""
        for name in sorted(present - self._known):
            try:
                self._add(self._shard(name))
            except StoreError as error:
                self._known.add(name)
                self.damaged[self.folder / name] = str(error)
        if len(self._new) >= NEW_FILES:
            self._put_into_index(present)

    def _open(self, name: str) -> Shard:
        return Shard(self.folder / name, self.digest, self.layout)

    def _add(self, shard: Shard) -> None:
        name = shard.path.name
        self._known.add(name)
        self._new[name] = tuple(shard.videos)
        for row, video in enumerate(shard.videos):
            self._places.setdefault(video, (name, row))

    def _put_into_index(self, present: set[str]) -> None:
        there = read_index(self.folder / INDEX, self.digest, present)
        if set(there.files) >= set(self._index.files):  # Another process may have written more.
            self._index = there
        self._known.update(self._index.files)
        listed = set(self._index.files)
        self._new = {name: videos for name, videos in self._new.items() if name not in listed}
        keys = {name: [as_key(one) for one in videos] for name, videos in self._new.items()}
        if len(keys) >= NEW_FILES and all(None not in row for row in keys.values()):
            more: Any = keys
            self._index = self._index.with_files(more).unique()
            self._new = {}
            with suppress(OutputError):  # The store may be read-only: the index is kept in memory.
                write_index(self.folder / INDEX, self.digest, self._index)
                mapped = read_index(self.folder / INDEX, self.digest, present | self._known)
                self._index = mapped if mapped.files == self._index.files else self._index
        places = self._places.items()
        self._places = {video: place for video, place in places if place[0] in self._new}

    def _place(self, fingerprint: object) -> tuple[str, int] | None:
        """Return shard and row of a video, or None."""
        if not isinstance(fingerprint, str):
            return None
        place = self._places.get(fingerprint)
        if place is not None:
            return place
        key = as_key(fingerprint)
        found = () if key is None else self._index.find(key)
        return found[0] if found else None

    def __contains__(self, fingerprint: object) -> bool:
        return self._place(fingerprint) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self._unindexed()) + len(self._index.keys)

    def __iter__(self) -> Iterator[str]:
        yield from self._unindexed()
        for key in self._index.keys:
            yield bytes(key).ljust(KEY.itemsize, b"\0").hex()

    def _unindexed(self) -> Iterator[str]:
        """Yield the videos that are not in the index."""
        for video in self._places:
            key = as_key(video)
            if key is None or not self._index.find(key):
                yield video

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
        place = self._place(fingerprint)
        if place is None:
            raise KeyError(fingerprint)
        name, row = place
        shard = self._shard(name)
        if shard.videos[row : row + 1] != [fingerprint]:
            raise StoreError(
                "does not fit the shards",
                where=str(self.folder / INDEX),
                got=f"row {row} of {name}",
                hint="Remove this file: it is made again.",
            )
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
        self.damaged.pop(path, None)
        self._shard.cache_clear()  # It may be another file under the name of a damaged one.
        self._add(self._shard(path.name))
