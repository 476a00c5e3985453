"""Frames that are noise: methods without training on ``motions:noise``, also after H.264.

``plain`` has the same classes, painted. Constant rate factors are those of x264, of which 23 is
its default and 51 the worst.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.court.open_sets import METHODS, created, evaluated
from benchmarks.shared import interval_cell, table
from fewact import networks
from fewact.data.videos import Video, VideoList
from fewact.lab.evaluation import Result, VideoFeatures
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.synthetic.conditions import compress
from fewact.synthetic import motions
from fewact.synthetic.benchmark import FPS, RenderedVideo

SETTINGS = (("noise", None), ("noise", 18), ("noise", 23), ("noise", 28), ("plain", None))
"""Presets, and constant rate factors; all methods are measured in the first."""

VIDEOS, SIZE, QUERIES = 4, 224, 3


def encoded(video: Video, crf: int) -> Video:
    """Return a rendered video after H.264, which is encoded when it is read."""
    source = video.source
    if not isinstance(source, RenderedVideo):
        raise TypeError(f"{video.id} is not rendered")

    @cache
    def frames() -> NDArray[np.uint8]:
        return compress(source.render(range(source.frames)), FPS, crf)

    def decoded(positions: Sequence[int]) -> NDArray[np.uint8]:
        return frames()[list(positions)]

    name = f"{video.id}-crf{crf}"
    return replace(video, id=name, source=RenderedVideo(name, source.frames, FPS, decoded))


def results(work: Path, episodes: int) -> Iterator[tuple[str, int | None, str, Result]]:
    """Yield preset, rate factor, method and result."""
    for preset, crf in SETTINGS:
        listed = motions(preset, videos=VIDEOS, size=SIZE).videos.of("test")
        if crf is not None:
            name = f"{listed.name}-crf{crf}"
            listed = VideoList(name, tuple(encoded(v, crf) for v in listed.videos))
        source = VideoFeatures(listed, networks.create(), keep=True)
        drawn = draw(listed, Protocol(queries=QUERIES, count=episodes)) if episodes else None
        every = [*METHODS, "pixels"] if (preset, crf) == SETTINGS[0] else ["fusion"]
        for label in every:
            name = f"{preset}-{crf}-{label}"
            method = partial(created, label, source)
            result = evaluated(work, name, method, source, listed, drawn)
            if result is not None:
                yield preset, crf, label, result


def tables(work: Path, episodes: int) -> str:
    """Return the accuracies, and those of each class by ``fusion``."""
    rows, by_class = [], []
    for preset, crf, label, result in results(work, episodes):
        low, high = result.class_interval or (0.0, 100.0)
        accuracy = interval_cell(result.accuracy, result.ci95)
        rows.append([f"`{preset}`", f"{crf or '–'}", label, accuracy, f"{low:.0f} to {high:.0f}"])
        if (preset, crf, label) == (*SETTINGS[0], "fusion"):
            order = sorted(result.per_class.items(), key=lambda item: -item[1].accuracy)
            by_class = [[name, f"{one.accuracy:.0f}"] for name, one in order]
    head = ["frames", "H.264", "method", "accuracy", "other classes"]
    return f"{table(head, rows)}\n\n{table(['class', 'fusion on noise'], by_class)}"
