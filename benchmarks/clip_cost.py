"""Time of a clip by parts, of embedding, of a recording and of the first answer.

    python -m benchmarks.clip_cost ASSETS [--quality fast] [--threads 2] [--turns 5] [--many 20]

The clips are those of ``utd5_rgb``, recorded by the simulated cameras ``fixed`` and ``hand``. The
table has the medians over the turns in milliseconds a clip, by the clock and by the processor; the
parts are those of one clip in one thread. Bare is decoding, and the network on eight frames, alone.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.datasets import read_index
from benchmarks.shared import cores, table
from benchmarks.watch import draw, record, script
from fewact import FewShotClassifier, methods, networks
from fewact.data import Clip, Video, VideoList
from fewact.features.extract import Stage, Timing
from fewact.features.request import FeatureRequest
from fewact.features.store import Store
from fewact.lab.store import Job, embed
from fewact.lab.synthetic.simulated_cameras import with_simulated_camera
from fewact.methods import QUALITIES
from fewact.video import EveryNth, Segments, read_frame_sets, write_video

SET, SHOTS, FPS, FRAMES, SECONDS = "utd5_rgb", 2, 15, 8, 60
STAGES: tuple[Stage, ...] = ("decode", "stabilise", "backbone", "moments", "alignment")
COMMAND = "import sys; from fewact.cli import main; sys.exit(main(sys.argv[1:]))"

Seconds = tuple[float, float]
"""Seconds by the clock and by the processor."""


class ProcessorTime(Timing):
    """Adds up the processor time of the threads of the stages, for networks in one thread."""

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        begin = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += time.thread_time() - begin


def timed(work: Callable[[], object]) -> Seconds:
    """Return the seconds of some work."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def milliseconds(turns: Sequence[Seconds], clips: int) -> list[str]:
    """Return the medians a clip, by the clock and by the processor."""
    return [f"{1e3 * median(column) / clips:.0f}" for column in zip(*turns, strict=True)]


def write_clips(videos: VideoList, camera: str, folder: Path) -> list[str]:
    """Write clips as a simulated camera records them, and return their files."""
    files = []
    for number, video in enumerate(with_simulated_camera(videos, camera).videos):
        if video.source is None:
            raise SystemExit(f"{video.id} is missing")
        frames = video.source.read([EveryNth(2)]).frames[0]
        files.append(str(write_video(folder / f"{camera}{number}.mp4", frames, FPS)))
    return files


def one_clip(
    classifier: FewShotClassifier, backbone: networks.Backbone, path: str
) -> tuple[Seconds, list[float]]:
    """Return the seconds of a prediction; of its stages, of bare decoding and bare network."""
    spent = timed(partial(list, classifier.predict_each([path])))
    timing = ProcessorTime()
    with cores(1):
        list(classifier.predict_each([path], timing=timing))
        reading = read_frame_sets(path, [Segments(FRAMES)])
        decode = timed(lambda: read_frame_sets(path, [Segments(FRAMES)]))[1]
        prepared = backbone.prepare(reading.frames[0])
        network = timed(lambda: backbone.features(prepared, ["vectors", "middle"]))[1]
    return spent, [*(timing.seconds[stage] for stage in STAGES), decode, network]


def embedding(backbone: networks.Backbone, paths: Sequence[Path]) -> Seconds:
    """Return the seconds of embedding clips into a new store."""
    clips = (Video(str(i), "clip", source=Clip(path)) for i, path in enumerate(paths))
    videos = VideoList("clips", tuple(clips))
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Store.create(folder), videos, backbone.card, [FeatureRequest("vectors")])
        return timed(lambda: embed(job, backbone, range(len(job)), lambda _: None))


def command(*arguments: str) -> tuple[float, float, float]:
    """Return the seconds of a command of fewact from start to end, and its memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True, capture_output=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, busy, after.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--quality", choices=QUALITIES, default="normal")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--many", type=int, default=20, help="clips of the case of many")
    options = parser.parse_args()
    with cores(options.threads):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Print the times."""
    videos = read_index(options.assets)[SET]
    by_class: dict[str, list[Path]] = {}
    for video in videos.videos:
        by_class.setdefault(video.label, []).append(options.assets / video.id)
    quality = QUALITIES[options.quality]
    backbone = networks.create(quality.backbone, size=quality.size)
    classifier = FewShotClassifier(
        backbone,
        methods.create("fusion", **quality.options),
        text="off",
    )
    classifier.fit({label: paths[:SHOTS] for label, paths in by_class.items()})
    card = backbone.card
    print(f"{card.name}, {card.precision}, {options.threads} threads, {options.turns} turns\n")
    few = replace(videos, videos=videos.videos[:: len(videos.videos) // options.turns])
    rows, files = [], list[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for camera in ("fixed", "hand"):
            paths = write_clips(few, camera, folder)
            files += paths
            list(classifier.predict_each(paths[:1]))
            turns = [one_clip(classifier, backbone, path) for path in paths]
            parts = [
                f"{1e3 * median(part):.0f}"
                for part in zip(*(parts for _, parts in turns), strict=True)
            ]
            rows.append(
                [f"one clip, {camera}", *milliseconds([spent for spent, _ in turns], 1), *parts]
            )
        many = (files * options.many)[: options.many]
        blank = [""] * (len(STAGES) + 2)
        spent = [timed(lambda: list(classifier.predict_each(many))) for _ in range(3)]
        rows.append([f"{options.many} clips", *milliseconds(spent, options.many), *blank])
        embedded = [options.assets / video.id for video in videos.videos[: options.many]]
        spent = [embedding(backbone, embedded) for _ in range(3)]
        rows.append(
            [f"embedding, {options.many} clips", *milliseconds(spent, options.many), *blank]
        )
        heads = ["elapsed", "processor", *STAGES, "bare decode", "bare network"]
        print(table(["ms a clip", *heads], rows))

        recording, model = folder / "recording.mp4", folder / "model"
        *_, show, between = draw(videos.videos, Random(0))
        record(recording, script(show, between, Random(0)), SECONDS)
        classifier.save(model)
        answers = [command("predict", str(model), files[0]) for _ in range(options.turns + 1)][1:]
        watched = command("watch", str(model), str(recording), "-q")
        print(f"\nfewact predict, one clip, from start to end: {summary(answers)}")
        print(f"fewact watch, {SECONDS} s, from start to end: {summary([watched])}")


def summary(runs: Sequence[tuple[float, float, float]]) -> str:
    """Return the medians of commands in words."""
    wall, busy, memory = (median(column) for column in zip(*runs, strict=True))
    return f"{wall:.2f} s, {busy:.2f} s of processor time, at most {memory:.0f} MB"


if __name__ == "__main__":
    main()
