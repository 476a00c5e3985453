"""Index: which of many files has the entry of a key, in one file that is searched on disk.

An index holds nothing that the files themselves do not. It may be missing or behind: the files that
it does not list are read one by one. Opening it and searching it cost the same time and memory for
a thousand entries and for a million, but for the names of the files.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.core.atomic import replacing

FILE: Final = ".index"

NEW_FILES: Final = 256
"""Number of files that are read one by one; the index is written again when there are more."""

KEY = np.dtype("S32")
PLACE = np.dtype([("file", "<u4"), ("row", "<u4")])
ALIGNED = 64
LONGEST = 2**28
"""Largest size of the head in bytes."""


class _Head(BaseModel):
    """First line of the file.

    Args:
        of: What the files belong to.
        entries: Number of keys.
        files: Names of the files.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact index"] = "fewact index"
    version: Literal[1] = 1
    of: str
    entries: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """Sorted keys and their places.

    Args:
        files: Names of the files.
        keys: (n) of 32 bytes, ascending; a key may occur several times.
        places: (n) number of the file, and row in it.
    """

    files: tuple[str, ...] = ()
    keys: NDArray[Any] = field(default_factory=lambda: np.empty(0, KEY))
    places: NDArray[Any] = field(default_factory=lambda: np.empty(0, PLACE))

    def find(self, key: bytes) -> list[tuple[str, int]]:
        """Return the file and row of each entry of a key of 32 bytes."""
        at, found = int(np.searchsorted(self.keys, np.array(key, KEY))), []
        shown = key.rstrip(b"\0")  # as NumPy returns it
        while at < len(self.keys) and self.keys[at] == shown:
            number, row = self.places[at].item()
            if number < len(self.files):  # The file of the index may be damaged.
                found.append((self.files[number], row))
            at += 1
        return found

    def with_files(self, entries: Mapping[str, Sequence[bytes]]) -> "Index":
        """Return an index of these files too.

        Args:
            entries: Keys of each new file, row by row.
        """
        number = [len(keys) for keys in entries.values()]
        places = np.empty(sum(number), PLACE)
        places["file"] = np.repeat(np.arange(len(number)) + len(self.files), number)
        places["row"] = np.concatenate([np.arange(n) for n in number]) if number else 0
        keys = np.array([key for keys in entries.values() for key in keys], KEY)
        keys, places = np.concatenate([self.keys, keys]), np.concatenate([self.places, places])
        order = np.argsort(keys, kind="stable")
        return Index((*self.files, *entries), keys[order], places[order])

    def unique(self) -> "Index":
        """Return an index with the first entry of each key."""
        first = np.ones(len(self.keys), np.bool_)
        first[1:] = self.keys[1:] != self.keys[:-1]
        return self if first.all() else Index(self.files, self.keys[first], self.places[first])


def read_index(path: Path, of: str, present: Collection[str]) -> Index:
    """Map an index from its file.

    Args:
        path: File of the index.
        of: What the files must belong to.
        present: Names of the files that there are.

    Returns:
        The index; an empty one if there is none that fits, or if it lists files that are gone.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(LONGEST)
        head = _Head.model_validate_json(line)
        size = len(line) + head.entries * (KEY.itemsize + PLACE.itemsize)
        fits = head.of == of and head.entries > 0 and path.stat().st_size == size
        if not fits or not set(head.files) <= set(present):
            return Index()
        after = len(line) + head.entries * KEY.itemsize
        keys = np.memmap(path, KEY, "r", len(line), (head.entries,))
        places = np.memmap(path, PLACE, "r", after, (head.entries,))
        return Index(head.files, keys.view(np.ndarray), places.view(np.ndarray))
    except (OSError, ValueError, ValidationError):
        return Index()


def write_index(path: Path, of: str, index: Index) -> None:
    """Write an index.

    Raises:
        OutputError: The file cannot be written.
    """
    head = _Head(of=of, entries=len(index.keys), files=index.files)
    text = json.dumps(head.model_dump(mode="json")).encode()
    line = text + b" " * (-(len(text) + 1) % ALIGNED) + b"\n"
    with replacing(path) as new, new.open("wb") as file:
        file.write(line)
        index.keys.tofile(file)
        index.places.tofile(file)


def names_in(folder: Path, suffix: str) -> set[str]:
    """Return the names of the visible files of a folder with a suffix; none without a folder."""
    try:
        with os.scandir(folder) as found:
            return {
                one.name
                for one in found
                if one.name.endswith(suffix) and not one.name.startswith(".")
            }
    except FileNotFoundError:
        return set()
