"""Rendering speed of the synthetic benchmark, and a figure of its videos.

    python -m benchmarks.motions [--figure docs/guides/synthetic-benchmark.svg]

Prints frames of 112 × 112 per second of processor time, on one core, for one video of each test
class.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from fewact.core import svg
from fewact.synthetic import PRESETS, MotionsBenchmark, Truth, motions
from fewact.video.writing import jpeg

FRAMES, SIDE, GAP, TITLE = 10, 72, 4, 46
"""Number of frames of a row; their side, the gap and the height of title and bar in pixels."""

PAUSE = "#c9d0d8"
"""Colour of pauses."""

ROWS = (
    ("plain", "slides left, then shrinks", 0),
    ("plain", "shrinks, then slides left", 0),
    ("plain", "knocks the other, then grows", 1),
    ("plain", "slides left, the other hides, then rises", 0),
    ("misaligned", "turns clockwise, then grows", 1),
    ("misaligned", "turns clockwise, then grows", 2),
    ("moving-camera", "appears, then the other turns clockwise", 1),
    ("distractors", "falls, then the other slides left", 0),
)
"""Preset, class and number of each video of the figure."""


def main() -> None:
    """Print the rates; write the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--figure", type=Path, help="SVG file that is written")
    options = parser.parse_args()
    for name in PRESETS:
        print(f"{name:18} {rate(motions(name, videos=1)):6.0f} frames/s")
    if options.figure:
        options.figure.write_text(figure(), encoding="utf-8")


def rate(benchmark: MotionsBenchmark) -> float:
    """Return the rendered frames per second of processor time."""
    begin = time.process_time()
    frames = sum(len(benchmark.render(video.id)) for video in benchmark.videos.of("test").videos)
    return frames / (time.process_time() - begin)


def figure() -> str:
    """Return an SVG: a filmstrip for each video, with its parts below."""
    width, height = FRAMES * (SIDE + GAP) - GAP + 2 * GAP, len(ROWS) * (SIDE + TITLE) + GAP
    parts: list[str] = []
    for row, (preset, label, index) in enumerate(ROWS):
        benchmark = motions(preset, videos=index + 1, size=SIDE)
        videos = [video for video in benchmark.videos.videos if video.label == label]
        truth = benchmark.truth(videos[index].id)
        top = row * (SIDE + TITLE) + 18
        parts.append(svg.text(GAP, top, f"{preset}: {label}"))
        shown = np.linspace(0, len(truth.part) - 1, FRAMES).round().astype(int).tolist()
        parts += [
            svg.image(GAP + column * (SIDE + GAP), top + 6, SIDE, SIDE, jpeg(frame))
            for column, frame in enumerate(benchmark.render(videos[index].id, shown))
        ]
        parts += bars(truth, top + 6 + SIDE + 4, width - 2 * GAP)
    return svg.document(width, height, parts, title="Videos of the synthetic benchmark")


def bars(truth: Truth, top: float, width: float) -> Iterator[str]:
    """Yield a bar for each part and each pause, from the first frame to the last."""
    shown = np.where(truth.pause, -1, truth.part)
    edges = [0, *(np.flatnonzero(np.diff(shown)) + 1).tolist(), len(shown)]
    for begin, end in pairwise(edges):
        colour = PAUSE if shown[begin] < 0 else svg.COLOURS[shown[begin]]
        x, length = GAP + width * begin / len(shown), width * (end - begin) / len(shown)
        yield svg.rectangle(x, top, length, 5, colour)


if __name__ == "__main__":
    main()
