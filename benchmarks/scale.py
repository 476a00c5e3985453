"""Work out large data sets on several machines, from costs that are measured here.

    python -m benchmarks.scale ASSETS [--clips 24] [--cores 8]

ASSETS contains ``clips/index.tsv`` and the clips. Measured are processor seconds per video of
`fewact embed` on real clips, its decoding alone, and what a process spends on each video of its
list before it starts. All else is multiplication.
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.datasets import read_rows
from benchmarks.shared import cores, table
from benchmarks.store_scale import megabytes
from fewact import methods, networks
from fewact.core.bounded import size_text
from fewact.data import Clip, Video, VideoList
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, Request
from fewact.features.store import Store
from fewact.features.store.shard import Shape
from fewact.lab.store import Job, embed
from fewact.lab.store.embedding import VIDEOS_PER_BLOCK
from fewact.video import Segments

DATA = {"Something-Something V2": 220_847, "a million clips": 1_000_000}
MACHINES = (1, 8, 64)
LISTED = 20_000
"""Videos of the made-up list."""


def busy(call: Callable[[], object]) -> float:
    """Return the processor seconds of a call, with those of its threads."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def some_clips(assets: Path, count: int) -> list[Clip]:
    """Return clips that are spread over all data sets."""
    rows = read_rows(assets)
    return [Clip(assets / row["path"]) for row in rows[:: max(1, len(rows) // count)][:count]]


def embedding(assets: Path, count: int) -> tuple[float, float, int]:
    """Return seconds a video of embedding and of decoding alone, and bytes of its features."""
    backbone = networks.create("auto", device="cpu", precision="float32")
    requests: tuple[Request, ...] = methods.create("auto").requests(backbone.card)
    clips = some_clips(assets, count)
    videos = VideoList("clips", tuple(Video(str(i), "x", source=c) for i, c in enumerate(clips)))
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, backbone.card, requests)
        spent = busy(lambda: embed(job, backbone, range(len(job)), lambda _: None))
    longest = max(requests, key=lambda request: request.frames)
    pixels = [FeatureRequest("pixels", view=longest.view)]
    decoded = busy(lambda: list(extract(clips, backbone, pixels, sampler=Segments)))
    shapes = (Shape(request.dtype, request.shape(backbone.card)) for request in requests)
    return spent / count, decoded / count, sum(shape.nbytes for shape in shapes)


def listing(assets: Path) -> tuple[float, float, float]:
    """Return seconds, bytes of memory and bytes sent to a worker, for each video of a list."""
    (clip,) = some_clips(assets, 1)
    backbone = networks.create("auto", device="cpu", precision="float32")
    before, begin = megabytes(), time.process_time()
    videos = VideoList(
        "listed", tuple(Video(f"videos/{i:07}.webm", "x", source=clip) for i in range(LISTED))
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, backbone.card, [FeatureRequest("vectors")])
        for _ in range(2):  # for the announcement, and for the work
            job.missing(range(len(job)))
        _ = job.digest
        seconds, memory = time.process_time() - begin, megabytes() - before
    return seconds / LISTED, memory * 2**20 / LISTED, len(pickle.dumps(videos)) / LISTED


def duration(seconds: float) -> str:
    """Return a time for people."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


@cores(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--cores", type=int, default=8, help="cores of a machine")
    options = parser.parse_args()
    start, memory, sent = listing(options.assets)
    spent, decoded, size = embedding(options.assets, options.clips)
    print(f"{spent:.2f} s of processor time a video, of which decoding {decoded:.2f} s\n")
    rows = []
    for name, videos in DATA.items():
        times = (
            duration(videos * (spent / (machines * options.cores) + start)) for machines in MACHINES
        )
        rows.append(
            [
                f"{name}, {videos:,}",
                *times,
                size_text(videos * size),
                f"{-(-videos // VIDEOS_PER_BLOCK):,}",
            ]
        )
    print(table(["data", *(f"machines: {n}" for n in MACHINES), "disk", "shards"], rows))
    million = DATA["a million clips"]
    print(
        f"\nA process of a million clips starts in {duration(million * start)}, holds"
        f" {size_text(round(million * memory))} for the list, and is sent"
        f" {size_text(round(million * sent))} by Ray."
    )


if __name__ == "__main__":
    main()
