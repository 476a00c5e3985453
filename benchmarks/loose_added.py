"""Clips that are too long and are added to a model: what using the part like their class gains.

    python -m benchmarks.loose_added ASSETS [--draws 20] [--taught 1 3] [--sets utd27_depth ucf7]

Development clips of five classes, one of each person or recording. Each draw teaches clips that are
cut to the action and adds one of another person to each class: none; the clip cut to the action; or
the clip between two others of classes that are not taught, in full and as ``fewact add`` does it.
New clips are those of all other people, cut to the action.
"""

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import parts, read_index
from benchmarks.loose import duration_of, kept_and_others, source_of
from benchmarks.markdown import heading
from fewact import backbones, methods
from fewact.classifier.examples import Examples, join
from fewact.classifier.fitted import Fitted, fit_examples, score
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.teaching import teach
from fewact.data import Frames, Video, VideoList
from fewact.synthetic.processing import with_condition
from fewact.video import EveryNth

ADDED = ("nothing", "cut to the action", "loose, in full", "loose, the part like the class")


def frames_of(video: Video) -> Frames:
    """Return the frames of a video, with its class."""
    source = source_of(video.source)
    (images,) = source.read([EveryNth(1)])
    fps = len(images) / duration_of(source)
    return Frames(np.ascontiguousarray(images), fps, name=video.id, label=video.label)


class Measurement:
    """Models of some clips, with one more clip a class.

    Args:
        videos: The clips; each group has one of each class.
        loose: The same clips between others.
        pipeline: Backbone and method.
    """

    def __init__(self, videos: VideoList, loose: VideoList, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._videos = videos.videos
        self._loose = [frames_of(video) for video in loose.videos]
        cut = [frames_of(video) for video in self._videos]
        self._cut, self._full = (self._teach(clips) for clips in (cut, self._loose))

    def accuracies(self, groups: list[str], taught: int) -> list[float]:
        """Return the accuracy by what is added, in per cent.

        Args:
            groups: Groups in random order: those that are taught come first, then the one of the
                clips that are added, then those of new clips.
            taught: Number of taught clips of a class.
        """
        known, added, new = (
            [i for i, video in enumerate(self._videos) if video.group in some]
            for some in (groups[:taught], groups[taught : taught + 1], groups[taught + 1 :])
        )
        own = self._cut.select(known)
        fitted = self._fit(own)
        parts = self._teach((self._loose[i] for i in added), fitted)
        more = (None, self._cut.select(added), self._full.select(added), parts)
        return [self._right(own if one is None else join([own, one]), new) for one in more]

    def _right(self, examples: Examples, new: list[int]) -> float:
        fitted, asked = self._fit(examples), self._cut.select(new)
        found = score(self._pipeline.method, fitted, asked.nodes).logits.argmax(-1)
        right = [
            fitted.classes[number] == clip.label
            for number, clip in zip(found.tolist(), asked.clips, strict=True)
        ]
        return 100 * float(np.mean(right))

    def _fit(self, examples: Examples) -> Fitted:
        return fit_examples(self._pipeline.method, examples, self._pipeline.backbone.device)

    def _teach(self, clips: Iterable[Frames], fitted: Fitted | None = None) -> Examples:
        every = list(clips)
        return teach(every, [one.name for one in every], self._pipeline, fitted=fitted)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--taught", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--sets", nargs="+", default=["utd27_depth", "ucf7"])
    options = parser.parse_args()
    logging.getLogger("fewact").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    pipeline = Pipeline(backbones.create(), methods.create("fusion").eval())
    print(heading("", "training clips of a class", *ADDED))
    for part in parts(read_index(options.assets), development=True):
        if part.videos.name not in options.sets:
            continue
        kept, others = kept_and_others(part.videos)
        loose = with_condition(kept, "loose:2", others=others)
        measurement = Measurement(kept, loose, pipeline)
        groups = sorted({video.group or "" for video in kept.videos})
        for taught in options.taught:
            random = np.random.default_rng(0)
            found = [
                measurement.accuracies(list(random.permutation(groups)), taught)
                for _ in range(options.draws)
            ]
            cells = " | ".join(f"{one:.1f}" for one in np.mean(found, 0))
            print(f"| {part.name} | {taught} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
