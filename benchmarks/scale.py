"""Work out large data sets on several machines, from costs that are measured here.

    python -m benchmarks.store_scale --json store.json
    python -m benchmarks.scale ASSETS --store store.json [--clips 24] [--cores 8] [--page PAGE]

ASSETS contains ``clips/index.tsv`` and the clips. Measured are processor seconds per video of
`fewact embed` on real clips, its decoding alone, and what a process spends on each video of its
list before it starts. All else is multiplication.
"""

import argparse
import json
import pickle
import resource
import tempfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.embedding import some_clips
from benchmarks.markdown import table
from benchmarks.store_scale import megabytes
from fewact import backbones, methods
from fewact.core.bounded import size_text
from fewact.data import Clip, Video, VideoList
from fewact.features.extract import extract
from fewact.features.request import FeatureRequest, Request
from fewact.features.store import Job, Store, embed
from fewact.features.store.embedding import BLOCK
from fewact.features.store.shard import Shape
from fewact.video import Segments

DATA = {"Something-Something V2": 220_847, "a million clips": 1_000_000}
MACHINES = (1, 8, 64)
BEFORE = (
    " The last column is the code before the index: it read every header when it opened a set, kept"
    " every shard mapped, and listed all shards before each block."
)
LISTED = 20_000
"""Videos of the made-up list."""


@dataclass(frozen=True)
class Costs:
    """Measured costs of a video.

    Args:
        embed: Processor seconds of computing and storing its features.
        decode: Processor seconds of decoding and resizing alone.
        start: Seconds that a process spends on it before it computes anything.
        listed: Bytes of memory of it in the list of a process.
        sent: Bytes of it in the list that each Ray worker gets.
        stored: Bytes of its features, by name.
        engine: Engine of the network.
    """

    embed: float
    decode: float
    start: float
    listed: float
    sent: float
    stored: dict[str, int]
    engine: str


def busy(call: Callable[[], object]) -> float:
    """Return the processor seconds of a call, with those of its threads."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def embedding(assets: Path, count: int) -> tuple[float, float, dict[str, int], str]:
    """Measure computing and decoding of real clips, and the size of their features."""
    backbone = backbones.create("auto", device="cpu", precision="float32")
    requests: tuple[Request, ...] = methods.create("auto").requests(backbone.card)
    clips = [Clip(path) for path, _, _ in some_clips(assets, count)]
    videos = VideoList(
        "clips", tuple(Video(str(i), "x", source=one) for i, one in enumerate(clips))
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, backbone.card, requests)
        all_in_all = busy(lambda: embed(job, backbone, range(len(job)), lambda _: None))
    counts = sorted({request.frames for request in requests})
    pixels = [
        FeatureRequest("pixels", view=request.view)
        for request in requests
        if request.frames == counts[-1]
    ]
    decoded = busy(lambda: list(extract(clips, backbone, pixels[:1], sampler=Segments)))
    stored = {str(one): Shape(one.dtype, one.shape(backbone.card)).nbytes for one in requests}
    return all_in_all / count, decoded / count, stored, backbone.card.engine


def listing(assets: Path) -> tuple[float, float, float]:
    """Measure a list of made-up names of one real clip: seconds, memory and bytes sent."""
    (path, _, _), *_ = some_clips(assets, 1)
    card = backbones.create("auto", device="cpu", precision="float32").card
    before, begin = megabytes(), time.process_time()
    videos = VideoList(
        "listed", tuple(Video(f"videos/{i:07}.webm", "x", source=Clip(path)) for i in range(LISTED))
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, card, [FeatureRequest("vectors")])
        for _ in range(2):  # for the announcement, and for the work
            job.missing(range(len(job)))
        _ = job.digest
        seconds = time.process_time() - begin
        memory = megabytes() - before
    return seconds / LISTED, memory * 2**20 / LISTED, len(pickle.dumps(videos)) / LISTED


def measure(assets: Path, count: int) -> Costs:
    """Measure all costs."""
    start, listed, sent = listing(assets)
    computed, decoded, stored, engine = embedding(assets, count)
    return Costs(computed, decoded, start, listed, sent, stored, engine)


def duration(seconds: float) -> str:
    """Return a time for people."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def paragraph(text: str) -> list[str]:
    """Return wrapped text and an empty line."""
    return [*textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False), ""]


def _store_table(store: dict[str, dict[str, float]], before: Path | None) -> str:
    """Return the figures of the store by size, and those of the code before the index."""
    columns = {f"{int(one):,}": store[one] for one in sorted(store, key=int)}
    if before is not None:
        earlier = json.loads(before.read_text(encoding="utf-8"))
        columns |= {f"{int(one):,}, no index": earlier[one] for one in sorted(earlier, key=int)}
    names = dict.fromkeys(name for figures in columns.values() for name in figures)
    return table(
        ["videos", *columns],
        [
            [name, *(f"{one[name]:.3g}" if name in one else "" for one in columns.values())]
            for name in names
        ],
    )


def page(costs: Costs, store: dict[str, dict[str, float]], options: argparse.Namespace) -> str:
    """Return the page; every number is measured, or computed from measured ones."""
    sizes = sorted(store, key=int)
    largest = store[sizes[-1]]
    total = sum(costs.stored.values())
    rows = []
    for name, videos in DATA.items():
        row = [f"{name}, {videos:,}"]
        for machines in MACHINES:
            alone = videos * costs.embed / (machines * options.cores)
            row.append(duration(alone + videos * costs.start))
        rows.append([*row, size_text(videos * total), f"{-(-videos // BLOCK):,}"])
    levels = [
        [name, size_text(one), *(size_text(videos * one) for videos in DATA.values())]
        for name, one in costs.stored.items()
    ]
    million = DATA["a million clips"]
    rate = MACHINES[-1] * options.cores / costs.embed * total
    blocks = -(-million // BLOCK)
    finding = largest["finding another process's block, ms"] / 1e3
    limits = [
        ("disk", f"{size_text(million * total)} for the features of the default method"),
        (
            "start of a process",
            f"{duration(million * costs.start)} for the list, before the first video; with"
            f" {MACHINES[-1]} machines the work itself takes"
            f" {duration(million * costs.embed / (MACHINES[-1] * options.cores))}",
        ),
        (
            "memory of a process",
            f"{size_text(round(million * costs.listed))} for the list, as often as a machine has"
            f" processes; a Ray worker is sent {size_text(round(million * costs.sent))}",
        ),
        ("network of the disk", f"{size_text(round(rate))} a second from {MACHINES[-1]} machines"),
        (
            "finding other processes' blocks",
            f"{finding * 1e3:.0f} ms before each block of {BLOCK} videos, which takes"
            f" {duration(BLOCK * costs.embed)} to compute on one core",
        ),
        ("files", f"{blocks:,} in a folder for each set, as many of known videos"),
        (
            "opening the store",
            f"{largest['opening, ms']:.0f} ms and {largest['memory of the open set, MB']:.0f} MB",
        ),
    ]
    lines = [
        "# Large data sets",
        "",
        "Commands: `python -m benchmarks.store_scale --json store.json`, then",
        "`python -m benchmarks.scale ASSETS --store store.json --page docs/results/scale.md`.",
        "",
        *paragraph(
            f"Measured in processor time on a shared server: {options.clips} real clips of"
            f" {options.datasets} through the default network on one core,"
            f" engine {costs.engine}, features of the default method:"
            f" {costs.embed:.2f} s per video, of which decoding and resizing alone"
            f" {costs.decode:.2f} s. Times below are these seconds divided by the cores, with"
            f" {options.cores} cores a machine, plus the start. They hold for clips of this size"
            " and this kind of core; no GPU was measured, and no cluster of this size was run."
        ),
        "## Time and disk",
        "",
        table(["data", *(f"{m} machine{'s' * (m > 1)}" for m in MACHINES), "disk", "shards"], rows),
        "",
        table(["features", "per video", *DATA], levels),
        "",
        "## The store from a thousand to a million videos",
        "",
        *paragraph(
            "One store grows; at each size a new process measures, in processor time. Only writing"
            " is in wall time: it waits for the disk, which other work kept busy. The first reading"
            " of the known videos after a job also writes their index."
            + (BEFORE if options.before else "")
        ),
        _store_table(store, options.before),
        "",
    ]
    lines += [
        "## What breaks first",
        "",
        "At a million clips:",
        "",
        table(["what", "how much"], [list(one) for one in limits]),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="figures of store_scale")
    parser.add_argument("--before", type=Path, help="figures of store_scale of other code")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--cores", type=int, default=8, help="cores of a machine")
    parser.add_argument("--page", type=Path, help="file for the page")
    options = parser.parse_args()
    options.datasets = "all data sets of ASSETS"
    torch.set_num_threads(1)
    costs = measure(options.assets, options.clips)
    print(costs)
    text = page(costs, json.loads(options.store.read_text(encoding="utf-8")), options)
    if options.page is None:
        print(text)
    else:
        options.page.write_text(text, encoding="utf-8")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
