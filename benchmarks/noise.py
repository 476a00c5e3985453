"""Frames that are noise: methods on ``motions:noise``, also after H.264: docs/results/court.md.

    python -m benchmarks.noise [--videos 4] [--episodes 400] [--size 112 224] [--crf 23 28 35]
        [--only fusion …]

Methods without training on the default network, 5-way 1-shot; ``--crf`` are constant rate factors
of x264, of which 23 is its default and 51 the worst. ``plain`` has the same classes, painted.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.court import METHODS
from fewact import backbones, methods
from fewact.data.videos import Video, VideoList
from fewact.evaluation import VideoFeatures, evaluate_method
from fewact.evaluation.episodes import Protocol, draw
from fewact.synthetic import motions
from fewact.synthetic.benchmark import FPS, RenderedVideo
from fewact.synthetic.conditions import compress


def encoded(video: Video, crf: int) -> Video:
    """Return a rendered video after H.264 at a constant rate factor."""
    source = video.source
    if not isinstance(source, RenderedVideo):
        raise TypeError(f"{video.id} is not rendered")
    frames = compress(source.render(range(source.frames)), FPS, crf)

    def decoded(positions: Sequence[int]) -> NDArray[np.uint8]:
        return frames[list(positions)]

    name = f"{video.id}-crf{crf}"
    return replace(video, id=name, source=RenderedVideo(name, source.frames, FPS, decoded))


def settings(
    names: Sequence[str], sizes: Sequence[int], crfs: Sequence[int], videos: int, episodes: int
) -> None:
    """Print the accuracy of each method on each setting."""
    for preset, size, crf in (
        *(("noise", size, None) for size in sizes),
        *(("noise", sizes[-1], crf) for crf in crfs),
        ("plain", sizes[0], None),
    ):
        listed = motions(preset, videos=videos, size=size).videos.of("test")
        if crf is not None:
            listed = VideoList(
                f"{listed.name}-crf{crf}", tuple(encoded(v, crf) for v in listed.videos)
            )
        source = VideoFeatures(listed, backbones.create(), keep=True)
        drawn = draw(listed, Protocol(queries=min(3, videos - 1), count=episodes))
        for name in names:
            kind, options = METHODS.get(name, (name, {}))
            method = methods.create(kind, **{**methods.fitting(kind, source.card), **options})
            result = evaluate_method(method.eval(), source, listed, drawn)
            interval = result.class_interval or (0.0, 100.0)
            print(
                *(preset, size, crf or "–", name),
                f"{result.accuracy:.1f} ± {result.ci95:.1f}",
                f"{interval[0]:.0f} to {interval[1]:.0f}",
                sep=" | ",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=4, help="videos of each of 24 classes")
    parser.add_argument("--size", type=int, nargs="+", default=[112, 224])
    parser.add_argument("--crf", type=int, nargs="*", default=[23, 28, 35])
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--only", nargs="+", default=[*METHODS, "pixels"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings(options.only, options.size, options.crf, options.videos, options.episodes)


if __name__ == "__main__":
    main()
