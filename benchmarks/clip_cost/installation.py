"""Processes of installations of fewact, and the clips that they predict."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.clip_cost import worker
from benchmarks.datasets import read_index
from benchmarks.first_answer import environment
from fewact.data import VideoList
from fewact.synthetic.processing import with_simulated_camera
from fewact.video import EveryNth, write_video

SET, TRAINED, FPS = "utd5_rgb", 2, 15
"""Clips, clips of each class that the classifier is trained with, frames per second."""


class Installation:
    """A process of an installation that works on demand.

    Args:
        python: Its interpreter.
        first: Training clips, backbone and threads, see ``worker``.
        source: Source tree that is imported instead of the installed package.
    """

    def __init__(self, python: str, first: Mapping[str, Any], source: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(source),
        )
        answer = self.ask(first)
        self.card = answer["card"]
        if source is not None and Path(answer["imported"]) != source / "src":
            raise SystemExit(
                f"{answer['imported']} was imported instead of {source / 'src'}: an editable "
                "install goes before PYTHONPATH. Install this version without --editable."
            )

    def ask(self, question: object) -> dict[str, Any]:
        """Return the answer to a question, see ``worker``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise SystemExit("the process of an installation ended; its message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def training(assets: Path, backbone: str, weights: str, threads: int) -> dict[str, Any]:
    """Return the first question of an installation: what it is trained with."""
    by_class: dict[str, list[str]] = {}
    for video in read_index(assets)[SET].videos:
        by_class.setdefault(video.label, []).append(str(assets / video.id))
    trained = [(path, label) for label, paths in by_class.items() for path in paths[:TRAINED]]
    return {
        "clips": [path for path, _ in trained],
        "labels": [label for _, label in trained],
        "threads": threads,
        "backbone": backbone,
        "weights": weights,
    }


def some_videos(assets: Path, count: int) -> VideoList:
    """Return about this many videos, spread over all."""
    every = read_index(assets)[SET]
    return replace(every, videos=every.videos[:: len(every.videos) // count])


def write_clips(videos: VideoList, camera: str, folder: Path) -> list[str]:
    """Write clips as a simulated camera records them, and return their files."""
    found = []
    for number, video in enumerate(with_simulated_camera(videos, camera).videos):
        if video.source is None:
            raise SystemExit(f"{video.id} is missing")
        frames = video.source.read([EveryNth(2)]).frames[0]
        found.append(str(write_video(folder / f"{camera}{number}.mp4", frames, FPS)))
    return found
