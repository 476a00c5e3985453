"""The feature store: speed of writing and opening, and its content after killed writers.

    python -m benchmarks.embedding throughput ASSETS [--backbone NAME --weights W --clips 200]
    python -m benchmarks.embedding memory [--clips 10000]
    python -m benchmarks.embedding opening
    python -m benchmarks.embedding kills ASSETS [--times 20 --clips 200]

ASSETS contains ``clips/index.tsv`` and the clips. ``throughput`` compares `fewact embed` with the
network alone on the same frames, decoded before, and with decoding alone, in turns. ``memory``
embeds tiny clips and fits a line to the memory of the process. ``opening`` writes a store of 2,857
videos × 8 × 2048 numbers in shards of several sizes, and opens and reads it. ``kills`` stops
`fewact embed` and `fewact evaluate` by SIGKILL at random times, continues each time, and compares
the files with those of uninterrupted runs.
"""

import argparse
import hashlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from subprocess import DEVNULL

import numpy as np
import torch

from benchmarks.datasets import read_rows
from fewact import backbones
from fewact.core.workers import side_by_side
from fewact.data import Clip, Video, VideoList
from fewact.features.extract import ClipReader, extract
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Job, Store, embed
from fewact.features.store.shard import Shape
from fewact.features.timing import Timing
from fewact.video import Segments, write_video

VIDEOS, FRAMES, WIDTH = 2857, 8, 2048
READS = 1000
RUN = [sys.executable, "-c", "import sys; from fewact.cli import main; sys.exit(main())"]


def some_clips(assets: Path, count: int) -> list[tuple[Path, str, str]]:
    """Return path, class and group of some clips of all datasets."""
    rows = read_rows(assets)
    step = len(rows) / count
    chosen = [rows[int(i * step)] for i in range(count)]
    return [(assets / row["path"], row["class"], row["group"]) for row in chosen]


def throughput(arguments: argparse.Namespace) -> None:
    """Print the speed of decoding alone, of the network alone, and of `fewact embed`."""
    backbone = backbones.create(arguments.backbone, weights=arguments.weights)
    request = FeatureRequest(arguments.level)
    clips = [Clip(path) for path, _, _ in some_clips(arguments.assets, arguments.clips)]
    frames = [
        found.features[FeatureRequest("pixels")]
        for found in extract(clips, backbone, [FeatureRequest("pixels")], sampler=Segments)
        if found.features is not None
    ]
    backbone.features(frames[0], (request.level,))
    reader = ClipReader(backbone, [FeatureRequest("pixels")], Segments, Timing())
    wall = {"decode": 0.0, "network": 0.0, "embed": 0.0}
    cpu = dict(wall)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.turns):
            mine = range(turn, len(clips), arguments.turns)
            videos = VideoList(
                f"turn {turn}", tuple(Video(str(i), "x", source=clips[i]) for i in mine)
            )
            for name in list(wall)[:: 1 if turn % 2 else -1]:
                begin, busy = time.perf_counter(), time.process_time()
                if name == "decode":
                    side_by_side(lambda clip: reader.read(clip, Future()), [clips[i] for i in mine])
                elif name == "network":
                    for i in mine:
                        backbone.features(frames[i], (request.level,))
                else:
                    job = Job(Store.create(folder), videos, backbone.card, [request])
                    embed(job, backbone, range(len(job)), lambda outcome: None)
                wall[name] += time.perf_counter() - begin
                cpu[name] += time.process_time() - busy
    print(
        f"{len(clips)} clips, {backbone.card.name} {backbone.card.precision}, {request.level}, "
        f"{torch.get_num_threads()} threads"
    )
    for name, seconds in wall.items():
        print(
            f"  {name:8}{len(clips) / seconds:8.1f} clips/s, {cpu[name]:6.1f} s of processor time"
        )
    for what, spent in (("", wall), (" by processor time", cpu)):
        alone = 100 * spent["network"] / spent["embed"]
        both = 100 * (spent["network"] + spent["decode"]) / spent["embed"]
        print(
            f"  embed has {both:.1f} % of the speed of decoding and network alone{what}, "
            f"{alone:.1f} % of that of the network"
        )


def memory(arguments: argparse.Namespace) -> None:
    """Print a line fitted to the memory of a process that embeds tiny clips."""
    backbone = backbones.create()
    request = FeatureRequest("vectors", View(1))
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = []
        for number in range(arguments.clips):
            frames = generator.integers(0, 256, (2, 32, 32, 3), np.uint8)
            path = write_video(folder / f"{number}.mp4", frames, 10)
            found.append(Video(str(number), "x", source=Clip(path)))
        job = Job(
            Store.create(folder / "store"),
            VideoList("tiny", tuple(found)),
            backbone.card,
            [request],
        )
        sizes: list[float] = []
        embed(job, backbone, range(len(job)), lambda outcome: sizes.append(resident()))
    kept = np.array(sizes[len(sizes) // 5 :])  # Without what is allocated once.
    blocks = kept[: len(kept) // 50 * 50].reshape(-1, 50).mean(1)  # MB of 50 clips each
    positions = np.arange(len(blocks)) * 50 / 1000
    (slope, _), covariance = np.polyfit(positions, blocks, 1, cov=True)
    bound = 1.96 * float(np.sqrt(covariance[0, 0]))
    print(
        f"{len(sizes)} clips: {sizes[len(sizes) // 5]:.0f} MB after a fifth, {sizes[-1]:.0f} MB at "
        f"the end; {slope:.2f} ± {bound:.2f} MB for 1,000 clips"
    )


def resident() -> float:
    """Return the memory of this process in MB; on Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def opening(arguments: argparse.Namespace) -> None:
    """Print the time to open a store and to read from it, by the size of the shards."""
    rows = np.random.default_rng(0).random((512, FRAMES, WIDTH)).astype(np.float16)
    keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(VIDEOS)]
    for size in (32, 64, 512):
        with tempfile.TemporaryDirectory() as folder:
            facts = {"made": "up"}
            made = Store.create(folder).make(facts, {"features": Shape("float16", (FRAMES, WIDTH))})
            for first in range(0, VIDEOS, size):
                part = keys[first : first + size]
                made.write({k: {"features": rows[i]} for i, k in enumerate(part)})
            times = []
            for _ in range(7):
                begin = time.perf_counter()
                found = Store(folder).find(facts)
                times.append(time.perf_counter() - begin)
            if found is None:
                raise SystemExit("the store was not found")
            order = random.Random(0).sample(keys, READS)
            begin = time.perf_counter()
            for key in order:
                found.read(key)
            each = (time.perf_counter() - begin) / READS
            print(
                f"shards of {size:3}: opened in {1e3 * np.median(times):5.1f} ms "
                f"(maximum {1e3 * max(times):5.1f}), a random read {1e6 * each:5.1f} µs"
            )


def kills(arguments: argparse.Namespace) -> None:
    """Kill writers of stores and results, and compare what they leave."""
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "clips.csv"
        lines = [",".join(map(str, row)) for row in some_clips(arguments.assets, arguments.clips)]
        table.write_text("path,label,group\n" + "\n".join(lines) + "\n")
        embed_to = [*RUN, "embed", str(table), "--features", "vectors:2", "--quiet", "-o"]
        print(f"embed of {arguments.clips} clips:")
        interrupt(embed_to, folder / "store", arguments.times, draw)
        evaluate = [*RUN, "evaluate", "protonet", "--data", str(table), "--groups", "none"]
        evaluate += ["--store", str(folder / "store-0"), "--option", "frames=2"]
        evaluate += ["--count", str(arguments.episodes), "--quiet", "--format", "json", "-o"]
        print(f"evaluate of {arguments.episodes} episodes:")
        interrupt(evaluate, folder / "result", arguments.times, draw)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of a process {peak:.2f} GiB")


def interrupt(command: list[str], target: Path, times: int, draw: random.Random) -> None:
    """Kill a command repeatedly, and compare its files with those of an uninterrupted run.

    The command continues where it was killed. If it finishes, it starts again with another target.
    """
    reference = target.with_name(f"{target.name}-0")
    begin = time.perf_counter()
    subprocess.run([*command, str(reference)], check=True, stdout=DEVNULL, stderr=DEVNULL)
    seconds = time.perf_counter() - begin
    killed, ends = 0, 0
    while killed < times or ends == 0:
        mine = target.with_name(f"{target.name}-{ends + 1}")
        limit = draw.uniform(0.2, 1) * seconds if killed < times else None
        process = subprocess.Popen([*command, str(mine)], stdout=DEVNULL, stderr=DEVNULL)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
            continue
        ends += 1
        if code or content(mine) != content(reference):
            sys.exit(f"after {killed} kills: exit code {code}, different files in {mine}")
    print(
        f"  {seconds:.1f} s uninterrupted; killed {killed} times, finished {ends} times,"
        " always with the same bytes"
    )


def content(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file or of each file of a store, without unfinished files."""
    files = path.rglob("*") if path.is_dir() else [path]
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in files
        if file.is_file() and not file.name.startswith(".")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    for work in (throughput, memory, opening, kills):
        part = parts.add_parser(work.__name__)
        part.set_defaults(work=work)
        if work in (throughput, kills):
            part.add_argument("assets", type=Path)
        if work is not opening:
            part.add_argument("--clips", type=int, default=10_000 if work is memory else 200)
        if work is throughput:
            part.add_argument("--backbone", default="auto")
            part.add_argument("--weights", default="default")
            part.add_argument("--level", default="vectors")
            part.add_argument("--turns", type=int, default=10)
        if work is kills:
            part.add_argument("--times", type=int, default=20)
            part.add_argument("--episodes", type=int, default=40_000)
            part.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.work(arguments)


if __name__ == "__main__":
    main()
