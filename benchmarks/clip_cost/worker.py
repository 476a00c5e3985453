"""Measures predictions in one installation of fewact; started by ``benchmarks.clip_cost``.

Reads a JSON object a line and answers with one. The first has the training clips; every other has
clips to predict. It imports nothing but fewact, so that it runs in an older version, too.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fewact import FewShotClassifier, backbones
from fewact.features.timing import Stage, Timing
from fewact.video import Segments, read_frame_sets

FRAMES = {8: ("vectors", "middle"), 16: ("middle",)}
"""Frames that the default method requests, and their levels."""


class ProcessorTime(Timing):
    """Adds up the processor time of the threads that the stages run in."""

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        begin = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[name] += time.thread_time() - begin


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall-clock and the processor seconds of some work."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def measure(classifier: FewShotClassifier, paths: list[str]) -> dict[str, Any]:
    """Return the seconds of a prediction, by stages, and of bare decoding and the bare network."""
    backbone = classifier.backbone
    assert not isinstance(backbone, str)
    timing, found = ProcessorTime(), []
    wall, busy = timed(lambda: found.extend(classifier.predict_each(paths, timing=timing)))
    decode = network = 0.0
    for path in paths:
        sets: list[Any] = []
        decode += timed(
            lambda path=path, sets=sets: sets.extend(
                read_frame_sets(
                    path,
                    [Segments(number) for number in FRAMES],
                    transform=lambda frame: backbone.prepare(frame).permute(1, 2, 0).numpy(),
                )
            )
        )[1]
        for frames, levels in zip(sets, FRAMES.values(), strict=True):
            prepared = torch.from_numpy(frames).permute(0, 3, 1, 2)
            network += timed(lambda one=prepared, levels=levels: backbone.features(one, levels))[1]
    return {
        "wall": wall,
        "busy": busy,
        "stages": timing.seconds,
        "decode": decode,
        "network": network,
        "answers": [getattr(one, "label", "skipped") for one in found],
    }


def main() -> None:
    first = json.loads(sys.stdin.readline())
    torch.set_num_threads(first["threads"])
    backbone = backbones.create(first["backbone"], weights=first["weights"])
    classifier = FewShotClassifier(backbone, text="off").fit(first["clips"], first["labels"])
    print(json.dumps({"card": f"{backbone.card.name}, {backbone.card.precision}"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(classifier, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
