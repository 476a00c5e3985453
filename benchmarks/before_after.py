"""Another version of fewact and this one, in turns: clips, embedding, episodes, the first answer.

    python -m benchmarks.before_after ASSETS --before FOLDER [--commit 4304bc2] [--threads 2]
        [--backbones auto auto:int8 mobilenet-v2] [--turns 5] [--many 100] [--episodes 10000]
        [--runs 5] [--minutes 10] [--page docs/results/speed.md]

FOLDER gets the source of the commit and its compiled libraries (CMake and a compiler are needed),
if it is not there already. The files are clips of ``utd5_rgb`` recorded by the simulated cameras
``fixed`` and ``hand``. Processes of both versions do the same work in turns. Times are medians, by
the clock and by the processor; on a busy machine only the latter can be compared. Beside them are
the parts of this version, each in one thread, and the ratio of its processor time to bare decoding
and bare ONNX Runtime in float32 on as many frames as the clip needs. A backbone is NAME,
NAME:PRECISION or NAME:PRECISION:BEFORE[:QUALITY]: the precisions of this version and of the other
one, and the quality of this one; what is left out is the version's own.
"""

import argparse
import statistics
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.clip_cost.installation import (
    SET,
    Installation,
    some_videos,
    training,
    write_clips,
)
from benchmarks.clip_cost.worker import FRAMES, LEVELS, timed
from benchmarks.datasets import read_index
from benchmarks.embedding import some_clips
from benchmarks.engines import export, onnx_runtime
from benchmarks.first_answer import RUN, command, environment
from benchmarks.markdown import heading
from benchmarks.watch import draw, record, script
from fewact import backbones
from fewact.features.small import difference_images
from fewact.video import Segments, read_frame_sets
from fewact.video.camera.motion import estimate_camera_motion
from fewact.video.recording import open_recording

COMMIT = "4304bc2"
RECORDED_FOR = 10.0
"""Seconds of a recording whose frames are timed in the network."""

IMAGES = 32
"""Images of differences of a clip, and frames of motion."""

ONE_CLIP = "one clip, {}"
FIXED = ONE_CLIP.format("fixed")

WEIGHTS = {"mobilenet-v2": Path("weights", "mobilenet_v2_1.0_imagenet_fp16.safetensors")}
"""Weights of backbones in the folder of the clips."""

HEADS = (
    "before, elapsed",
    "before, processor",
    "now, elapsed",
    "now, processor",
    "times as fast, elapsed",
    "times as fast, processor",
)
STAGES = ("decode", "stabilise", "backbone", "moments", "alignment")
Times = Mapping[str, Sequence[Mapping[str, Any]]]
"""Answers of ``before`` and ``now``, one for each turn."""


@dataclass(frozen=True)
class Case:
    """Work that is done in turns.

    Args:
        name: Name in the table.
        questions: Question of each turn, see ``clip_cost.worker``.
        unit: Number of clips of a turn; times are divided by it.
    """

    name: str
    questions: Sequence[Mapping[str, Any]]
    unit: int = 1


def prepare(commit: str, folder: Path) -> Path:
    """Write the source of a commit into a folder and compile its libraries there."""
    if not (folder / "src").is_dir():
        packed = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        for step in (
            ("-S", folder, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Release"),
            ("--build", folder / "build"),
            ("--install", folder / "build", "--prefix", folder / "src"),
        ):
            subprocess.run(["cmake", *map(str, step)], check=True, stdout=subprocess.DEVNULL)
    return folder


class Bare:
    """Processor seconds of bare decoding and of bare ONNX Runtime, in one thread.

    Args:
        backbone: Backbone whose network is exported.
        folder: Folder for the graphs.
    """

    def __init__(self, backbone: backbones.Backbone, folder: Path) -> None:
        self._backbone = backbone
        model = export(backbone, FRAMES, folder, LEVELS)
        self._of_frames = onnx_runtime(backbone, model, threads=1)
        height, width = backbone.card.input_size
        self._images = difference_images(torch.zeros(IMAGES, 3, height, width))
        model = export(backbone, IMAGES, folder, ("shallow",), self._images.shape[-2:])
        self._of_images = onnx_runtime(backbone, model, threads=1)

    def clip(self, path: str) -> tuple[float, float]:
        """Return the seconds of decoding a clip, and of its frames and small images."""
        found = read_frame_sets(path, [Segments(IMAGES)])
        frames = self._backbone.prepare(found[0])
        motion = estimate_camera_motion(frames, aspect=found.aspect)
        sets: list[Any] = []
        samplers = [Segments(FRAMES), Segments(IMAGES)]
        decode = timed(lambda: sets.extend(read_frame_sets(path, samplers)))[1]
        self._of_images(self._images)
        images = timed(lambda: self._of_images(self._images))[1]
        views = 2 if motion.moved and motion.permissive is not motion.conservative else 1
        return decode, self._network(sets[0]) + 2 * views * images

    def recording(self, path: str, looked_at: int) -> tuple[float, float]:
        """Return the seconds of all frames' decoding, and of some frames in the network."""
        with open_recording(path) as opened:
            decode = timed(lambda: deque(opened.frames(), maxlen=0))[1]
        frames = read_frame_sets(path, [Segments(FRAMES)], end=RECORDED_FOR)[0]
        return decode, self._network(frames) * looked_at / FRAMES

    def _network(self, frames: NDArray[np.uint8]) -> float:
        prepared = self._backbone.prepare(frames)
        self._of_frames(prepared)
        return timed(lambda: self._of_frames(prepared))[1]


def answers(case: Case, installed: Mapping[str, Installation]) -> Times:
    """Ask each installation each question in turns; a clip to predict warms up before."""
    for one in installed.values():
        for path in case.questions[0].get("predict", ())[:1]:
            one.ask({"predict": [path]})
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in installed}
    for number, question in enumerate(case.questions):
        for name in list(installed)[:: 1 if number % 2 else -1]:
            found[name].append(installed[name].ask(question))
    return found


def row(name: str, times: Times, unit: int = 1) -> str:
    """Return the cells of the columns that all cases have."""
    middle = {
        (version, key): statistics.median(turn[key] for turn in turns) / unit
        for version, turns in times.items()
        for key in ("wall", "busy")
    }
    cells = [f"{1e3 * middle[v, k]:.0f}" for v in ("before", "now") for k in ("wall", "busy")]
    cells += [f"{middle['before', k] / middle['now', k]:.2f}" for k in ("wall", "busy")]
    return " | ".join([name, *cells])


def parts(times: Times, unit: int, bare: Sequence[Sequence[float]]) -> str:
    """Return the cells of a prediction's parts, and its ratio to bare decoding and network.

    Stages of several clips overlap, so that those of one clip are shown only.
    """
    turns = times["now"]
    decode, network = (statistics.mean(one[i] for one in bare) for i in (0, 1))
    busy = statistics.median(turn["busy"] for turn in turns) / unit
    own = [""] * len(STAGES)
    if unit == 1:
        own = [
            f"{1e3 * statistics.median(one['stages'][name] for one in turns):.0f}"
            for name in STAGES
        ]
    rest = 100 * (1 - (decode + network) / busy)
    cells = [f"{1e3 * decode:.0f}", f"{1e3 * network:.0f}", f"{rest:.0f}"]
    return " | ".join([*own, *cells, f"{busy / (decode + network):.2f}"])


def cases(options: argparse.Namespace, files: Mapping[str, Sequence[str]]) -> Iterator[Case]:
    """Yield the cases of clips; a case of one clip has another one in each turn."""
    for camera, paths in files.items():
        yield Case(ONE_CLIP.format(camera), [{"predict": [path]} for path in paths])
    every = [path for paths in zip(*files.values(), strict=True) for path in paths]
    many = (every * options.many)[: options.many]
    few = max(1, options.turns // 2)
    yield Case(f"{options.many} clips", [{"predict": many}] * few, options.many)


def chosen(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are not empty."""
    return {name: value for name, value in values.items() if value}


def first_answer(options: argparse.Namespace, sources: Mapping[str, Path | None]) -> str:
    """Return the row of `fewact predict` of one clip from start to end."""
    first = training(options.assets, "auto", "default", options.threads)
    clip = str(options.assets / some_videos(options.assets, 3).videos[-1].id)
    times: dict[str, list[dict[str, float]]] = {name: [] for name in sources}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "clips.csv"
        rows = [f"{p},{n}" for p, n in zip(first["clips"], first["labels"], strict=True)]
        table.write_text("\n".join(["path,label", *rows]) + "\n", encoding="utf-8")
        for turn in range(options.runs + 1):
            for name, source in sources.items():
                model = str(Path(folder) / name)
                own = [sys.executable, "-c", RUN]
                if turn == 0:
                    command([*own, "teach", str(table), "-o", model], environment(source))
                wall, busy = command([*own, "predict", model, clip], environment(source))
                if turn:
                    times[name].append({"wall": wall, "busy": busy})
    return row("first answer, `fewact predict` from start to end", times)


def compare(options: argparse.Namespace, sources: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield the lines of the page."""
    weights_of = {name: str(options.assets / path) for name, path in WEIGHTS.items()}
    warm = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = some_videos(options.assets, options.turns)
        files = {camera: write_clips(few, camera, folder) for camera in ("fixed", "hand")}
        for named in options.backbones:
            backbone, now, before, quality = (*named.split(":"), "", "", "")[:4]
            weights = weights_of.get(backbone, "default")
            first = training(options.assets, backbone, weights, options.threads)
            own = {
                "before": {"precision": before},
                "now": {"precision": now, "quality": quality},
            }
            installed = {
                version: Installation(sys.executable, first | chosen(own[version]), source)
                for version, source in sources.items()
            }
            exact = backbones.create(backbone, weights=weights, device="cpu", engine="torch")
            bare = Bare(exact, folder)
            yield f"\n## {exact.card.name}{f', quality {quality}' if quality else ''}\n"
            yield "; ".join(f"{version}: {one.card}" for version, one in installed.items()) + "\n"
            others = [*STAGES, "bare decode", "bare ONNX Runtime", "beside them, %"]
            yield heading("ms a clip", *HEADS, *others, "ratio to bare")
            differ: list[str] = []
            for case in cases(options, files):
                times = answers(case, installed)
                paths = [path for question in case.questions for path in question["predict"]]
                alone = [bare.clip(path) for path in dict.fromkeys(paths)]
                yield f"| {row(case.name, times, case.unit)} | {parts(times, case.unit, alone)} |"
                differ += [case.name] * answers_differ(times)
                if named == "auto" and case.name == FIXED:
                    warm = statistics.median(turn["wall"] for turn in times["now"])
            small = [str(path) for path, _, _ in some_clips(options.assets, options.many)]
            embedded = Case(f"embedding, {options.many} clips", [{"embed": small}], options.many)
            blank = " | ".join([""] * (len(others) + 1))
            yield f"| {row(embedded.name, answers(embedded, installed), options.many)} | {blank} |"
            if named == "auto":
                title = f"{options.episodes:,} episodes, A²M² with EMD (all, not a clip)"
                times = answers(Case(title, [{"episodes": options.episodes}]), installed)
                yield f"| {row(title, times)} | {blank} |"
                differ += [title] * answers_differ(times)
            if differ:  # After the table, which a line of text would end.
                yield f"\nThe answers differ: {'; '.join(differ)}."
            if backbone == "auto" and options.minutes:
                yield from watched(options, installed["now"], bare, folder)
            for one in installed.values():
                one.close()
    yield "\n## First answer\n"
    yield heading("ms", *HEADS)
    yield f"| {first_answer(options, sources)} |"
    if warm:
        yield f"\nTwice the time of a clip warm, and a second: {1e3 * (2 * warm + 1):.0f} ms."


def watched(
    options: argparse.Namespace, now: Installation, bare: Bare, folder: Path
) -> Iterator[str]:
    """Yield the table of a recording, which this version alone can watch."""
    path = folder / "recording.mp4"
    if not path.exists():
        *_, show, between = draw(read_index(options.assets)[SET].videos, Random(0))
        record(path, script(show, between, Random(0)), 60 * options.minutes)
    found = now.ask({"watch": str(path)})
    decode, network = bare.recording(str(path), found["looked_at"])
    faster = 60 * options.minutes / found["wall"]
    heads = ("elapsed", "processor", "times faster than it plays", "frames looked at")
    more = ("bare decode", "bare ONNX Runtime", "ratio to bare")
    yield f"\nA recording of {options.minutes:g} minutes (the version before had no `watch`):\n"
    yield heading("s", *heads, *more)
    cells = [f"{found[key]:.0f}" for key in ("wall", "busy")]
    cells += [f"{faster:.1f}", f"{found['looked_at']:,}", f"{decode:.0f}", f"{network:.0f}"]
    yield f"| `watch` | {' | '.join(cells)} | {found['busy'] / (decode + network):.2f} |"


def introduction(options: argparse.Namespace) -> str:
    """Return the title of the page, and how its figures were measured."""
    command = (
        f"python -m benchmarks.before_after ASSETS --before FOLDER --turns {options.turns} "
        f"--many {options.many} --episodes {options.episodes} --runs {options.runs}"
    )
    words = (
        f"Commit {options.commit} (before) and this version (now) did the same work in turns, with "
        f"{options.threads} threads. Times are medians of the turns; processor time "
        "counts where other work keeps the machine busy. The parts are those of one clip in this "
        "version. The last columns compare its processor time with bare decoding and bare ONNX "
        "Runtime in float32 on as many images as the clip needs: 8 frames run through the full "
        "network, 32 small frames and 32 images of differences up to stride 8; of a moving camera "
        "the small ones twice where two estimates of its motion differ."
    )
    return f"# Before and after\n\n    {command}\n\n{textwrap.fill(words, 118)}"


def answers_differ(times: Times) -> bool:
    """Return whether the versions answer differently."""
    pairs = zip(times["before"], times["now"], strict=True)
    return any(before["answers"] != now["answers"] for before, now in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--before", type=Path, required=True, help="folder for the other version")
    parser.add_argument("--commit", default=COMMIT, help="the other version")
    parser.add_argument("--backbones", nargs="+", default=["auto", "auto:int8", *WEIGHTS])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--many", type=int, default=100, help="clips of the cases of many")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5, help="first answers")
    parser.add_argument("--minutes", type=float, default=10, help="length of the recording")
    parser.add_argument("--page", type=Path, help="file that gets the tables, too")
    options = parser.parse_args()
    options.assets = options.assets.absolute()
    torch.set_num_threads(1)
    sources = {"before": prepare(options.commit, options.before.absolute()), "now": None}
    lines = [introduction(options)]
    print(lines[0], flush=True)
    for line in compare(options, sources):
        print(line, flush=True)
        lines.append(line)
    if options.page is not None:
        options.page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
