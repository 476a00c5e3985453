"""New clips that show the action more slowly than the training clips.

    python -m benchmarks.slow ASSETS [--development] [--taught 2] [--conditions slow:2 slow:3]

One clip of each person and class. The first people's clips are training clips, those of all others
are slowed and predicted twice: in full (``--trim off``), and as ``fewact predict`` does it, which
searches clips that are too long. Of web videos each class has its own groups.
"""

import argparse
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import parts, read_index
from benchmarks.loose_added import frames_of
from benchmarks.markdown import heading
from fewact import FewShotClassifier
from fewact.data import Frames, Video, VideoList
from fewact.synthetic.processing import with_condition


def split(videos: VideoList, taught: int) -> tuple[VideoList, VideoList]:
    """Return the training clips and the new clips, one of each group and class.

    Args:
        videos: The videos.
        taught: Number of groups whose clips are training clips, of each class the first ones.
    """
    training: list[Video] = []
    new: list[Video] = []
    for label in sorted({video.label for video in videos.videos}):
        one = {str(v.group): v for v in reversed(videos.videos) if v.label == label}
        for number, group in enumerate(sorted(one)):
            (training if number < taught else new).append(one[group])
    return replace(videos, videos=tuple(training)), replace(videos, videos=tuple(new))


def taught_from(videos: VideoList) -> FewShotClassifier:
    """Return a classifier that has learned the videos."""
    clips: dict[str, list[Frames]] = {}
    for video in videos.videos:
        clips.setdefault(video.label, []).append(frames_of(video))
    return FewShotClassifier().fit(clips)


def rows(
    name: str, videos: VideoList, taught: int, conditions: Iterable[str]
) -> Iterator[tuple[str, ...]]:
    """Yield for each condition how many clips are long enough to be searched, and two accuracies.

    Args:
        name: Name of the set.
        videos: Its videos.
        taught: See ``split``.
        conditions: Conditions of the new clips.
    """
    training, new = split(videos, taught)
    classifier = taught_from(training)
    for condition in conditions:
        changed = with_condition(new, condition, others=new)
        clips = [frames_of(video) for video in changed.videos]
        right, parts_used = [], 0
        for trim in ("off", "auto"):
            classifier.trim = trim
            found = classifier.predict(clips)
            hits = [one.label == clip.label for one, clip in zip(found, clips, strict=True)]
            right.append(100 * np.mean(hits))
            parts_used = sum(one.active is not None for one in found)
        yield (name, condition, str(len(clips)), *(f"{x:.1f}" for x in right), str(parts_used))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path, help="folder of the clips")
    parser.add_argument("--development", action="store_true", help="the clips that may choose")
    parser.add_argument("--taught", type=int, default=2, help="training clips of a class")
    parser.add_argument("--conditions", nargs="+", default=["slow:2", "slow:3"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    columns = "set", "condition", "new clips", "in full", "as `predict` does", "a part is used of"
    print(heading(*columns))
    for part in parts(read_index(options.assets), development=options.development):
        for row in rows(part.name, part.videos, options.taught, options.conditions):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
