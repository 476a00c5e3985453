"""Reads data sets of an HDF5 file in a process of its own, and writes them to stdout as .npz.

A damaged file can make the HDF5 library loop without end or crash. Usage: python -m
fewact.data.poses.hdf5_child FILE NAME:KINDS ...; a fault is JSON on stderr, and the exit code is 3.
"""

import io
import json
import sys
from typing import Any, Final

import numpy as np

MOST_DATA_BYTES: Final = 1 << 28
"""Largest declared size of a data set."""

MOST_MEMORY: Final = 4 << 30
"""Largest address space of the process, in bytes."""

MOST_SECONDS: Final = 5
"""Largest processor time of the process."""

REFUSED: Final = 3
"""Exit code for a file that is refused."""


class UnreadableError(Exception):
    """A file that is not read: what is wrong, and what was got."""


def main(path: str, names: list[str]) -> int:
    """Write the data sets that a file has; return the exit code."""
    _limit()
    import h5py

    arrays: dict[str, Any] = {}
    try:
        with h5py.File(path, "r") as file:
            for name, _, kinds in (text.partition(":") for text in names):
                values = _data(file, name, kinds)
                if values is not None:
                    arrays[name] = values
            if not arrays:
                raise UnreadableError(
                    "other groups", ", ".join(name[:40] for name in list(file)[:5])
                )
    except UnreadableError as error:
        sys.stderr.write(json.dumps(error.args))
        return REFUSED
    except Exception as error:
        sys.stderr.write(json.dumps(("the file cannot be read", str(error)[:80])))
        return REFUSED
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    sys.stdout.buffer.write(buffer.getbuffer())
    return 0


def _limit() -> None:
    """Limit processor time and memory, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the caller's time limit is left
        return
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _data(file: Any, name: str, kinds: str) -> Any:
    """Return a data set of the file itself; None if it has none of this name."""
    import h5py

    link = file.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise UnreadableError(f"{name} is a link, perhaps to another file")
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise UnreadableError(f"{name} is no data of the file itself, but perhaps of another file")
    if data.dtype.kind not in kinds or data.shape is None:
        raise UnreadableError(f"{name} has another type", str(data.dtype)[:40])
    size = int(np.prod([int(n) for n in data.shape], dtype=object)) * data.dtype.itemsize
    if size > MOST_DATA_BYTES:
        raise UnreadableError(f"{name} is larger than {MOST_DATA_BYTES >> 20} MiB", f"{size} bytes")
    values = np.asarray(data)
    if values.dtype.kind == "O":  # texts of any length
        values = np.array([v if isinstance(v, bytes) else str(v).encode() for v in values.ravel()])
    return values


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
