"""The feature store with up to a million made-up videos: time and memory of what it does.

    python -m benchmarks.store_scale [--sizes 1000,10000,100000,1000000] [--folder FOLDER]
        [--json FILE]

One store grows from size to size, in blocks as `fewact embed` writes them. At each size a new
process opens it and measures: opening, looking up, reading with the checksum (which verifies the
video), adding a block, and the list of known videos. Times are those of the processor, but those of
writing: they depend on the disk, which syncs every file.
"""

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fewact.data import Video
from fewact.features.store import Store
from fewact.features.store.shard import Shape
from fewact.features.store.store import EntrySet, KnownVideo
from fewact.lab.store.embedding import VIDEOS_PER_BLOCK

FACTS = {"made": "up"}
LAYOUT = {"features": Shape("float16", (8, 16))}
LIST = "made up"
READS = 1000


def key(number: int) -> str:
    """Return the fingerprint of a made-up video."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def entry(number: int) -> dict[str, np.ndarray]:
    """Return its features."""
    return {"features": np.full((8, 16), number % 1024, dtype=np.float16)}


def write(store: Store, made: EntrySet, block: Sequence[int]) -> None:
    """Write a block: its features, and what is known of its videos."""
    made.write({key(i): entry(i) for i in block})
    store.known(LIST).write({str(i): KnownVideo(fingerprint=key(i)) for i in block})


def grow(folder: Path, size: int) -> float:
    """Add videos up to a size, and return the seconds per block."""
    store = Store.create(folder)
    made = store.make(FACTS, LAYOUT)
    first = len(made)
    begin = time.perf_counter()
    for start in range(first, size, VIDEOS_PER_BLOCK):
        block = range(start, min(start + VIDEOS_PER_BLOCK, size))
        write(store, made, block)
    return (time.perf_counter() - begin) / max(1, (size - first) / VIDEOS_PER_BLOCK)


def megabytes() -> float:
    """Return the memory of this process."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / 2**20


def timed(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds of a call by a clock."""
    begin = clock()
    call()
    return clock() - begin


def measure(folder: Path, size: int) -> dict[str, float]:
    """Measure a store of a size; it grows by two blocks."""
    before = megabytes()
    store = Store(folder)
    found: list[EntrySet] = []

    def opening() -> None:
        one = store.find(FACTS)
        if one is None:
            raise RuntimeError("there is no set")
        found.append(one)

    seconds = {"opening, ms": 1e3 * timed(opening)}
    made = found[0]
    seconds["memory of the open set, MB"] = megabytes() - before
    draw = random.Random(0)
    there = [key(draw.randrange(size)) for _ in range(READS)]
    absent = [key(-1 - i) for i in range(READS)]
    if not all(one in made for one in there) or any(one in made for one in absent):
        raise RuntimeError("the store does not have what was written")
    seconds["look-up, µs"] = 1e6 * timed(lambda: [one in made for one in there]) / READS
    seconds["reading a random video, µs"] = (
        1e6 * timed(lambda: [made.read(k) for k in there]) / READS
    )
    numbers = iter(range(size, size + 2 * VIDEOS_PER_BLOCK))

    def add(to: EntrySet) -> None:
        write(store, to, [next(numbers) for _ in range(VIDEOS_PER_BLOCK)])

    seconds["adding a block, ms"] = 1e3 * timed(lambda: add(made), time.perf_counter)
    other = store.find(FACTS)
    if other is None:
        raise RuntimeError("there is no set")
    add(other)
    if key(size + 2 * VIDEOS_PER_BLOCK - 1) not in made:
        raise RuntimeError("a block of another process was not found")
    before = megabytes()
    known = store.known(LIST)
    videos = [Video(str(draw.randrange(size)), "x") for _ in range(READS)]
    if not all(known.fingerprint(video, None) == key(int(video.id)) for video in videos):
        raise RuntimeError("the store does not know what was written")
    look_up = timed(lambda: [known.fingerprint(video, None) for video in videos])
    seconds["look-up of a known video, µs"] = 1e6 * look_up / READS
    seconds["memory of known videos, MB"] = megabytes() - before
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--folder", type=Path, help="folder that is kept (default: temporary)")
    parser.add_argument(
        "--json", type=Path, help="file for the figures; those of other sizes are kept"
    )
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.folder, options.measure)))
        return
    columns: dict[int, dict[str, float]] = {}
    if options.json is not None and options.json.exists():
        found = json.loads(options.json.read_text(encoding="utf-8"))
        columns = {int(size): figures for size, figures in found.items()}
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        for size in map(int, options.sizes.split(",")):
            each = grow(folder, size)
            command = [sys.executable, "-m", "benchmarks.store_scale", "--measure", str(size)]
            done = subprocess.run(
                [*command, "--folder", str(folder)], capture_output=True, text=True, check=True
            )
            columns[size] = {"writing a block, ms": 1e3 * each, **json.loads(done.stdout)}
            print(f"{size}: {columns[size]}", flush=True)
            if options.json is not None:
                options.json.write_text(json.dumps(columns, indent=1) + "\n", encoding="utf-8")
    print("| videos |" + "".join(f" {size:,} |" for size in columns))
    print("|---|" + "---|" * len(columns))
    for name in columns[min(columns)]:
        print(f"| {name} |" + "".join(f" {one[name]:.3g} |" for one in columns.values()))


if __name__ == "__main__":
    main()
