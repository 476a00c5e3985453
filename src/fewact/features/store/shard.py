"""A file of a store: the tensors of some videos, there as a whole or not at all.

The format is safetensors: for each named tensor one array with a row for each video, and in the
header which videos these are. Reading runs no code, and a row is read by itself from memory that
is mapped.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fewact.errors import StoreError
from fewact.io.atomic import replacing

SUFFIX = ".safetensors"

# One key: safetensors writes several in any order, and the same videos shall be the same bytes.
KEY = "fewact"

Entry = Mapping[str, NDArray[Any]]
"""What is stored of a video: arrays by name."""

DTYPES = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "U8": "uint8",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class Shape:
    """Of one array of every video.

    Args:
        dtype: As NumPy names it.
        sizes: Without the axis of the videos.
    """

    dtype: str
    sizes: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of one video."""
        return int(np.prod(self.sizes, dtype=np.int64)) * np.dtype(self.dtype).itemsize


Layout = Mapping[str, Shape]
"""Shapes of all arrays of a video, by name."""


class _Header(BaseModel):
    """What a shard says of itself.

    Args:
        set: Digest of the set that it is of.
        videos: Fingerprints of the videos, a row each.
        checks: CRC-32 of each video's arrays, in the order of their names.
    """

    model_config = ConfigDict(extra="forbid")

    set: str
    videos: list[str]
    checks: list[int]


class Shard:
    """A shard that is read.

    Args:
        path: The file.
        of: Digest of the set that it must be of.
        layout: That its arrays must have.

    Raises:
        StoreError: It is damaged, or something else.
    """

    def __init__(self, path: Path, of: str, layout: Layout) -> None:
        self.path = path
        try:
            file: Any = safe_open(path, framework="numpy")
            self._header = _Header.model_validate_json((file.metadata() or {}).get(KEY, ""))
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {
                name: (DTYPES.get(one.get_dtype()), tuple(one.get_shape()))
                for name, one in slices.items()
            }
        except (SafetensorError, ValidationError, OSError) as error:
            raise self._damaged(str(error).splitlines()[0]) from None
        self._slices = slices
        rows = len(self.videos)
        wanted = {name: (one.dtype, (rows, *one.sizes)) for name, one in layout.items()}
        if self._header.set != of or found != wanted or len(self._header.checks) != rows:
            raise self._damaged(f"holds {found} of set {self._header.set[:12]}")

    @property
    def videos(self) -> Sequence[str]:
        """Fingerprints, a row each."""
        return self._header.videos

    def read(self, row: int) -> dict[str, NDArray[Any]]:
        """The arrays of one video.

        Raises:
            StoreError: They are not what was written.
        """
        entry = {name: one[row : row + 1][0] for name, one in self._slices.items()}
        if check(entry) != self._header.checks[row]:
            raise self._damaged(f"the numbers of video {self.videos[row][:12]} have changed")
        return entry

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            "is damaged, or no part of this store",
            where=str(self.path),
            got=why,
            hint="Move it elsewhere, and `fewact embed` makes it anew.",
        )


def write_shard(folder: Path, of: str, entries: Mapping[str, Entry]) -> Path:
    """Write a shard under a name that its set and its videos decide: two of a name are the same.

    Args:
        folder: Where to.
        of: Digest of the set.
        entries: By fingerprint; all of the same names, types and shapes.

    Raises:
        OSError: It cannot be written.
    """
    videos = list(entries)
    header = _Header(set=of, videos=videos, checks=[check(entries[one]) for one in videos])
    names = sorted(entries[videos[0]])
    arrays = {name: np.stack([entries[one][name] for one in videos]) for name in names}
    path = folder / f"{hashlib.sha256(' '.join((of, *videos)).encode()).hexdigest()[:24]}{SUFFIX}"
    with replacing(path) as new:
        save_file(arrays, new, metadata={KEY: header.model_dump_json()})
    return path


def shards(folder: Path) -> Iterator[Path]:
    """The shards of a folder, in the order of their names."""
    yield from sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def check(entry: Entry) -> int:
    """CRC-32 of a video's arrays, in the order of their names."""
    found = 0
    for name in sorted(entry):
        found = zlib.crc32(np.ascontiguousarray(entry[name]).data, found)
    return found
