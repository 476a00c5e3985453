"""Shard: a file of a store with the arrays of some videos, written completely or not at all.

The format is safetensors: each array has a row for each video, and the header lists the videos.
Reading runs no code, and reads single rows from mapped memory.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fewact.core.arrays import check_tensors
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import StoreError

SHARD_SUFFIX = ".safetensors"
SHARD_HINT = "Move the file elsewhere; `fewact embed`, or `fewact index`, writes it again."
SHARD = FileType("shard of a store", StoreError, 64 * GIB, hint=SHARD_HINT)

# A single key, since safetensors writes several keys in any order: equal videos give equal bytes.
HEADER_KEY = "fewact"

Entry = Mapping[str, NDArray[Any]]
"""Stored arrays of a video, by name."""

ARRAY_TYPES = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "U8": "uint8",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class Shape:
    """Type and shape of one array of every video.

    Args:
        dtype: NumPy's name of the data type.
        sizes: Shape without the axis of the videos.
    """

    dtype: str
    sizes: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of one video."""
        return int(np.prod(self.sizes, dtype=np.int64)) * np.dtype(self.dtype).itemsize


Layout = Mapping[str, Shape]
"""Shapes of all arrays of a video, by name."""


Facts = Mapping[str, JsonValue]
"""All facts that decide the arrays of a video, as JSON."""


def digest(facts: Facts) -> str:
    """Return the SHA-256 of facts; their order does not count."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()


class _Header(BaseModel):
    """Header of a shard.

    Args:
        facts: Facts of the set that the shard belongs to.
        videos: Fingerprints of the videos, one for each row.
        checks: CRC-32 of each video's arrays, in the order of their names.
    """

    model_config = ConfigDict(extra="forbid")

    facts: dict[str, JsonValue]
    videos: list[str]
    checks: list[int]


class Shard:
    """Reads a shard.

    Args:
        path: File of the shard.
        of: Digest of the set that the shard must belong to.
        layout: Layout that its arrays must have.

    Raises:
        StoreError: The shard is damaged, or the file is no shard of this set.
    """

    def __init__(self, path: Path, of: str, layout: Layout) -> None:
        self.path = path
        check_tensors(SHARD, path)
        try:
            file: Any = safe_open(path, framework="numpy")
            self._header = _Header.model_validate_json((file.metadata() or {}).get(HEADER_KEY, ""))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {
                name: (ARRAY_TYPES.get(array.get_dtype()), tuple(array.get_shape()))
                for name, array in slices.items()
            }
        except (SafetensorError, ValidationError, OSError) as error:
            raise self._damaged(str(error).splitlines()[0]) from None
        self._slices = slices
        rows = len(self.videos)
        expected = {name: (array.dtype, (rows, *array.sizes)) for name, array in layout.items()}
        is_of_set = digest(self._header.facts) == of
        if not is_of_set or shapes != expected or len(self._header.checks) != rows:
            raise self._damaged(f"holds {shapes}" if is_of_set else "holds videos of another set")

    @property
    def videos(self) -> Sequence[str]:
        """Fingerprints, one for each row."""
        return self._header.videos

    def read(self, row: int) -> dict[str, NDArray[Any]]:
        """Return the arrays of one video.

        Raises:
            StoreError: The arrays have changed since they were written.
        """
        entry = {name: array[row : row + 1][0] for name, array in self._slices.items()}
        if check(entry) != self._header.checks[row]:
            raise self._damaged(f"the numbers of video {self.videos[row][:12]} have changed")
        return entry

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            "is damaged, or not a shard of this store",
            where=str(self.path),
            got=why,
            hint=SHARD_HINT,
        )


def write_shard(folder: Path, facts: Facts, entries: Mapping[str, Entry]) -> Path:
    """Write a shard; set and videos decide its name, so that equal names are equal files."""
    videos = list(entries)
    checks = [check(entries[video]) for video in videos]
    header = _Header(facts=json.loads(json.dumps(dict(facts))), videos=videos, checks=checks)
    names = sorted(entries[videos[0]])
    arrays = {name: np.stack([entries[video][name] for video in videos]) for name in names}
    name = hashlib.sha256(" ".join((digest(facts), *videos)).encode()).hexdigest()[:24]
    path = folder / f"{name}{SHARD_SUFFIX}"
    return write_bytes(path, save(arrays, metadata={HEADER_KEY: header.model_dump_json()}))


def check(entry: Entry) -> int:
    """Return the CRC-32 of a video's arrays, in the order of their names."""
    crc = 0
    for name in sorted(entry):
        crc = zlib.crc32(np.ascontiguousarray(entry[name]).data, crc)
    return crc


def facts_and_layout(path: Path) -> tuple[Facts, Layout]:
    """Return the facts of the set that a shard says it belongs to, and its layout.

    Raises:
        StoreError: The shard is damaged.
    """
    check_tensors(SHARD, path)
    try:
        file: Any = safe_open(path, framework="numpy")
        header = _Header.model_validate_json((file.metadata() or {}).get(HEADER_KEY, ""))
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValidationError, OSError) as error:
        SHARD.refuse(path, "is damaged, or not a shard of a store", str(error).splitlines()[0])
    layout = {
        name: Shape(ARRAY_TYPES.get(array.get_dtype(), ""), tuple(array.get_shape()[1:]))
        for name, array in slices.items()
    }
    return header.facts, layout
