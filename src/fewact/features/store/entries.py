"""A set of a store: what was made of videos in one way, by the videos' fingerprints."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from fewact.errors import StoreError
from fewact.features.store.shard import Entry, Layout, Shape, Shard, shards, write_shard
from fewact.io.atomic import write_text

FILE: Final = "set.json"

Facts = Mapping[str, JsonValue]
"""All that decides what is made of a video, as JSON."""


def digest(facts: Facts) -> str:
    """SHA-256 of facts, whatever their order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact set"] = "fewact set"
    version: Literal[1] = 1
    facts: dict[str, JsonValue]
    layout: dict[str, Shape]


class EntrySet:
    """What was made of videos in one way.

    Other processes may add to it meanwhile; ``refresh`` looks for what they did.

    Args:
        folder: Its folder in the store.

    Attributes:
        facts: All that decides what is made of a video.
        digest: SHA-256 of them.
        layout: Names, types and shapes of a video's arrays.
        damaged: Shards that cannot be read, and why; what they held counts as absent.

    Raises:
        StoreError: The folder is no set.
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
        """Make a set, or take the one that is there.

        Raises:
            StoreError: One of other facts or of another layout is there.
        """
        if not (folder / FILE).exists():
            document = _Document(facts=json.loads(json.dumps(facts)), layout=dict(layout))
            write_text(folder / FILE, document.model_dump_json(indent=2) + "\n")
        made = cls(folder)
        if made.digest != digest(facts) or made.layout != dict(layout):
            raise StoreError(
                "holds something else under this name",
                where=str(folder / FILE),
                got=f"{made.layout}",
                expected=f"{dict(layout)}",
            )
        return made

    def refresh(self) -> None:
        """Take in the shards that were added since."""
        for path in shards(self.folder):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            try:
                self._take(Shard(path, self.digest, self.layout))
            except StoreError as error:
                self.damaged[path] = str(error)

    def _take(self, shard: Shard) -> None:
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
        """Of its arrays."""
        return sum(shape.nbytes for shape in self.layout.values())

    def read(self, fingerprint: str) -> dict[str, NDArray[Any]]:
        """The arrays of one video.

        Raises:
            KeyError: It is not there.
            StoreError: Its shard is damaged.
        """
        shard, row = self._index[fingerprint]
        return shard.read(row)

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add videos, all of them or none.

        A damaged shard of the same videos is replaced.

        Args:
            entries: By fingerprint.

        Raises:
            StoreError: An entry is of another layout.
            OSError: They cannot be written.
        """
        for fingerprint, entry in entries.items():
            found = {name: Shape(one.dtype.name, one.shape) for name, one in entry.items()}
            if found != self.layout:
                raise StoreError(
                    "does not fit into the set",
                    where=f"video {fingerprint[:12]}",
                    got=f"{found}",
                    expected=f"{dict(self.layout)}",
                )
        if not entries:
            return
        path = write_shard(self.folder, self.digest, entries)
        self._known.add(path.name)
        self.damaged.pop(path, None)
        self._take(Shard(path, self.digest, self.layout))


def _read(path: Path) -> _Document:
    try:
        return _Document.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValidationError as error:
        raise StoreError(
            "does not say what the set is of",
            where=str(path),
            got=error.errors()[0]["msg"],
            hint="Move the file elsewhere; `fewact embed` writes it anew and takes the set up.",
        ) from None
