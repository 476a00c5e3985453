"""How fast the synthetic benchmark is rendered, and a picture of it.

    python -m benchmarks.motions [--picture docs/guides/synthetic-benchmark.svg]

One core; frames of 112² a second of processor time, of one video of each test class.
"""

import argparse
import base64
import time
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

from fewact.classifier.thumbnails import jpeg
from fewact.synthetic import PRESETS, MotionsBenchmark, Truth, motions

FRAMES, SIDE, GAP, TOP = 10, 72, 4, 46
COLOURS = ("#2563a8", "#d9662b", "#2a9d6f")
PAUSE, INK = "#c9d0d8", "#1f2933"

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


def main() -> None:
    """Print the rates; draw the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", type=Path, help="write an SVG file")
    given = parser.parse_args()
    for name in PRESETS:
        print(f"{name:18} {rate(motions(name, videos=1)):6.0f} frames/s")
    if given.picture:
        given.picture.write_text("\n".join(draw()) + "\n", encoding="utf-8")


def rate(benchmark: MotionsBenchmark) -> float:
    """Frames a second of processor time."""
    begin = time.process_time()
    frames = sum(len(benchmark.render(video.id)) for video in benchmark.videos.of("test").videos)
    return frames / (time.process_time() - begin)


def draw() -> Iterator[str]:
    """Lines of an SVG: a filmstrip a video, with its parts below."""
    wide, high = FRAMES * (SIDE + GAP) - GAP + 2 * GAP, len(ROWS) * (SIDE + TOP) + GAP
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">'
    )
    yield f'<rect width="{wide}" height="{high}" fill="#ffffff"/>'
    for row, (preset, label, index) in enumerate(ROWS):
        benchmark = motions(preset, videos=index + 1, size=SIDE)
        videos = [video for video in benchmark.videos.videos if video.label == label]
        truth = benchmark.truth(videos[index].id)
        top = row * (SIDE + TOP) + 18
        yield f'<text x="{GAP}" y="{top}">{escape(preset)}: {escape(label)}</text>'
        shown = np.linspace(0, len(truth.part) - 1, FRAMES).round().astype(int).tolist()
        for place, frame in enumerate(benchmark.render(videos[index].id, shown)):
            data = base64.b64encode(jpeg(frame)).decode()
            yield (
                f'<image x="{GAP + place * (SIDE + GAP)}" y="{top + 6}" width="{SIDE}" '
                f'height="{SIDE}" href="data:image/jpeg;base64,{data}"/>'
            )
        yield from bars(truth, top + 6 + SIDE + 4, wide - 2 * GAP)
    yield "</svg>"


def bars(truth: Truth, top: float, wide: float) -> Iterator[str]:
    """Parts and pauses from the first frame to the last."""
    kinds = np.where(truth.pause, -1, truth.part)
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
    for begin, end in pairwise(edges):
        fill = PAUSE if kinds[begin] < 0 else COLOURS[kinds[begin]]
        x, width = GAP + wide * begin / len(kinds), wide * (end - begin) / len(kinds)
        yield f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="5" fill="{fill}"/>'


if __name__ == "__main__":
    main()
