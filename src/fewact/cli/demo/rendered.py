"""Clips of the demo: eight classes of the synthetic benchmark ``motions``, rendered."""

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewact.cli.demo.folder import DemoFolder
    from fewact.data import Clip

CLASSES = (
    "falls, then slides left",
    "slides left, then falls",
    "rises, then slides right",
    "slides right, then rises",
    "grows, falls, then slides right",
    "slides right, falls, then grows",
    "shrinks, rises, then slides left",
    "slides left, rises, then shrinks",
)
"""Classes of one moving object, in pairs of the same motions in the opposite order."""

NOTE = (
    "The clips are rendered: synthetic benchmark motions, preset plain. The classes are pairs of "
    "the same motions in the opposite order; shapes, colours and backgrounds are random. a2m2 "
    "matches windows of frames, and their order counts little; auto compares frames in order."
)

EXAMPLES, NEW = 3, 4
"""Number of clips per class to teach, and to predict."""


def render_clips(
    folder: "DemoFolder", progress: Callable[[int, int], None]
) -> "tuple[list[Clip], list[Clip]]":
    """Render the clips as video files below ``training`` and ``new``, a folder per class.

    Args:
        folder: Folder of the demo.
        progress: Called after each clip with the number of finished clips and of all clips.

    Returns:
        Training clips, and clips to predict.
    """
    from fewact.data import Clip
    from fewact.synthetic import motions
    from fewact.synthetic.benchmark import FPS
    from fewact.video import write_video

    benchmark = motions(videos=EXAMPLES + NEW)
    videos = [video for video in benchmark.videos.videos if video.label in CLASSES]
    training: list[Clip] = []
    new: list[Clip] = []
    done = 0
    for label, of_class in groupby(videos, key=lambda video: video.label):
        for i, video in enumerate(of_class):
            part, clips = ("training", training) if i < EXAMPLES else ("new", new)
            name = f"{part}/{label}/{i + 1}.mp4"
            with folder.writing(name) as path:
                write_video(path, benchmark.render(video.id), FPS, overwrite=True)
            clips.append(Clip(path, label))
            done += 1
            progress(done, len(videos))
    return training, new
