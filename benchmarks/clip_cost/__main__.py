"""Cost of predictions by parts, of two installations of fewact in turns.

    python -m benchmarks.clip_cost ASSETS [--before PYTHON] [--threads 2] [--turns 5] [--many 100]
        [--backbone mobilenet-v2 --weights FILE]

``--before`` is the interpreter of another installation; both predict the same files in turns. The
files are clips of ``utd5_rgb`` recorded by the simulated cameras ``fixed`` and ``hand``. The table
has the medians over the turns, in milliseconds a clip: elapsed time, processor time, that of
decoding and of the network alone on the same frames, and that of the parts of a prediction, each of
which runs in one thread. The last column is the processor time of stabilising, moments and
alignment, in per cent of bare decoding and network.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clip_cost import worker
from benchmarks.datasets import read_index
from fewact.data import VideoList
from fewact.data.simulated_camera import with_simulated_camera
from fewact.video import EveryNth, write_video

SET, TRAINED, FPS = "utd5_rgb", 2, 15
"""Clips, clips of each class that the classifier is trained with, frames per second."""

PARTS = ("stabilise", "moments", "alignment")


class Installation:
    """A process of an installation that predicts on demand."""

    def __init__(self, python: str, first: Mapping[str, Any]) -> None:
        command = [python, str(Path(worker.__file__))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.card = self.ask(first)["card"]

    def ask(self, question: object) -> dict[str, Any]:
        """Return the answer to a question, see ``worker``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def write_clips(videos: VideoList, camera: str, folder: Path) -> list[str]:
    """Write clips as a simulated camera records them, and return their files."""
    found = []
    for number, video in enumerate(with_simulated_camera(videos, camera).videos):
        if video.source is None:
            raise SystemExit(f"{video.id} is missing")
        frames = video.source.read([EveryNth(2)])[0]
        found.append(str(write_video(folder / f"{camera}{number}.mp4", frames, FPS)))
    return found


def rows(answers: Mapping[str, Sequence[Mapping[str, Any]]], clips: int) -> Iterator[str]:
    """Yield a row of the table for each installation."""
    for name, turns in answers.items():

        def middle(key: str, turns: Sequence[Mapping[str, Any]] = turns) -> float:
            return median(turn[key] for turn in turns)

        keys = ("wall", "busy", "decode", "network")
        parts = [median(turn["stages"][part] for turn in turns) for part in PARTS]
        fraction = 100 * sum(parts) / (middle("decode") + middle("network"))
        cells = [f"{1000 * value / clips:.0f}" for value in (*map(middle, keys), *parts)]
        yield " | ".join([name, *cells, f"{fraction:.0f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--before", help="interpreter of another installation")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--many", type=int, default=100, help="clips of the last case")
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--weights", default="default")
    options = parser.parse_args()
    every = read_index(options.assets)[SET]
    by_class: dict[str, list[str]] = {}
    for video in every.videos:
        by_class.setdefault(video.label, []).append(str(options.assets / video.id))
    trained = [(path, label) for label, paths in by_class.items() for path in paths[:TRAINED]]
    first = {
        "clips": [path for path, _ in trained],
        "labels": [label for _, label in trained],
        "threads": options.threads,
        "backbone": options.backbone,
        "weights": options.weights,
    }
    pythons = {"before": options.before, "now": sys.executable}
    installed = {name: Installation(one, first) for name, one in pythons.items() if one}
    print(f"{installed['now'].card}, {options.threads} threads, {options.turns} turns\n")
    heads = (
        "ms a clip",
        "elapsed",
        "processor",
        "bare decode",
        "bare network",
        *PARTS,
        "%",
    )
    print("| case | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        few = replace(every, videos=every.videos[:: len(every.videos) // options.turns])
        cases = {
            f"one clip, {camera}": [[path] for path in write_clips(few, camera, Path(folder))]
            for camera in ("fixed", "hand")
        }
        fixed, hand = ([clips[0] for clips in case] for case in cases.values())
        many = ((fixed + hand) * options.many)[: options.many]
        cases[f"{options.many} clips, half of each"] = [many] * max(1, options.turns // 2)
        for case, turns in cases.items():
            answers: dict[str, list[dict[str, Any]]] = {name: [] for name in installed}
            for process in installed.values():
                process.ask(turns[0][:1])
            for clips in turns:
                for name, process in installed.items():
                    answers[name].append(process.ask(clips))
            labels = [[turn["answers"] for turn in found] for found in answers.values()]
            for row in rows(answers, len(turns[0])):
                print(f"| {case} | {row} |", flush=True)
            if any(found != labels[0] for found in labels):
                print("\nThe predictions differ.\n")
    for process in installed.values():
        process.close()


if __name__ == "__main__":
    main()
