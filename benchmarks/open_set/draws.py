"""Random draws: taught classes, their clips, clips of no class, and new clips of both."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewact.data import VideoList

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Clips by their number in a list of videos.

    Groups of the training clips and of the clips of no class give no new clip.

    Args:
        training: Training clips (n·k), class after class.
        labels: Their classes (n·k) in 0 … n−1.
        none: Clips of no class: of the untaught classes.
        new: New clips.
        truth: Their classes; −1 for an untaught class.
    """

    training: Numbers
    labels: Numbers
    none: Numbers
    new: Numbers
    truth: Numbers


def draw(
    videos: VideoList,
    ways: int,
    shots: int,
    rng: np.random.Generator,
    *,
    none: int = 0,
    new_per_class: int = 3,
) -> Draw:
    """Draw classes and clips at random.

    Where all classes have the same groups, training clips come from the first ``shots`` of the
    shuffled groups, one clip of each class from each. Clips of no class come from half of the other
    groups, new clips from the rest. There are as many new clips of untaught as of taught classes.

    Args:
        videos: Videos with their groups.
        ways: Number of taught classes.
        shots: Number of training clips of each.
        rng: Source of randomness.
        none: Number of clips of no class.
        new_per_class: Number of new clips of each taught class.
    """
    labels = np.array([video.label for video in videos.videos])
    names = [video.group or str(i) for i, video in enumerate(videos.videos)]
    shared = videos.groups == "shared"
    groups = np.array(names)
    classes = rng.permutation(np.unique(labels))
    common = rng.permutation(np.unique(groups))
    training, new, truth = [], [], []
    untaught_none, untaught_new = [], []
    for c, label in enumerate(classes):
        own = np.flatnonzero(labels == label)
        order = common if shared else rng.permutation(np.unique(groups[own]))
        half = shots + (len(order) - shots) // 2
        if c < ways:
            training += [rng.choice(own[groups[own] == group]) for group in order[:shots]]
            rest = own[np.isin(groups[own], order[half:] if shared and none else order[shots:])]
            chosen = rng.choice(rest, min(new_per_class, len(rest)), replace=False)
            new += [*chosen]
            truth += [c] * len(chosen)
        elif none:
            untaught_none += [*own[np.isin(groups[own], order[shots:half])]]
            untaught_new += [*own[np.isin(groups[own], order[half:])]]
        else:
            untaught_new += [*own[np.isin(groups[own], order[shots:])]]
    count = min(len(new), len(untaught_new))
    unknown = rng.choice(untaught_new, count, replace=False)
    outside = rng.choice(untaught_none, min(none, len(untaught_none)), replace=False)
    return Draw(
        np.array(training),
        np.repeat(np.arange(ways), shots),
        outside.astype(np.int64),
        np.array([*new, *unknown]),
        np.array([*truth, *[-1] * count]),
    )
