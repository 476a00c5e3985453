"""Recordings: which training clips were probably cut from one recording, or show one person.

Clips of one recording, or of one person in one place, are more alike than any clip of another
person will be: a clip that is held out alone is recognised by its siblings, and it resembles other
classes that were recorded with it. Without groups, recordings are found from the appearance and the
motion of the clips. With d_A and d_K, the distances of two clips in appearance and in all that the
method compares, each divided by its mean over clips of different classes, the distance of clips of
one class is √(d_A · d_K), that of clips of two classes d_A. Clusters whose mean distance is below
0.72 are joined, the nearest first. The distance of two clips is the mean similarity of clips with
themselves less that of the two.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewact.classifier.names import Example
from fewact.methods.base import Labels

SAME_RECORDING = 0.72
"""Chosen on development clips of five kinds (docs/decisions/unknown-actions.md): of pairs of one
recording 85 to 95 % are below it, of others 2 to 10 %; for clips of mice these overlap."""

FOUND_PREFIX = "\0recording "
"""Beginning of the name of a recording that is found: no group that is given has this character."""

Similarities = NDArray[np.floating]
Distances = NDArray[np.float64]


def are_sought(clips: Sequence[Example], labels: Labels) -> bool:
    """Return whether recordings are to be found: a group is missing, and a class has two clips."""
    return any(clip.group is None for clip in clips) and len(clips) > int(labels.max()) + 1


def groups_of(
    clips: Sequence[Example],
    appearance: Similarities | None,
    pairs: Similarities,
    positions: Sequence[int],
    labels: Labels,
) -> list[str | None]:
    """Return the group of each training clip: the given one, or the recording that is found.

    A found recording is of the group that its first clip with one has. Other arguments are those of
    ``find_recordings``. Without ``appearance`` nothing is found.
    """
    groups = [clip.group for clip in clips]
    if appearance is None or not are_sought(clips, labels):
        return groups
    recordings = find_recordings(appearance, pairs, positions, labels)
    given: dict[int, str] = {}
    for group, recording in zip(groups, recordings, strict=True):
        if group is not None:
            given.setdefault(recording, group)
    return [
        given.get(recording, f"{FOUND_PREFIX}{recording}") if group is None else group
        for group, recording in zip(groups, recordings, strict=True)
    ]


def find_recordings(
    appearance: Similarities, pairs: Similarities, positions: Sequence[int], labels: Labels
) -> list[int]:
    """Return the recording of each training clip, as the position of its first clip.

    Args:
        appearance: Appearance similarities (h s) of some training clips with all.
        pairs: Similarities (h s) of all that is compared.
        positions: Positions of the h clips among the training clips.
        labels: Classes (s) of the training clips.

    >>> alike = np.array([[1, 0.9, 0.2], [0.9, 1, 0.2], [0.2, 0.2, 1]])
    >>> find_recordings(alike, alike, range(3), np.array([0, 0, 1]))
    [0, 0, 2]
    """
    rows = np.array(positions)
    visible = _relative_distance(appearance, rows, labels)
    moving = _relative_distance(pairs, rows, labels)
    same_class = labels[rows][:, None] == labels
    distance = np.where(same_class, np.sqrt(visible * moving), visible)  # (h s)
    clusters = _mean_linkage((distance[:, rows] + distance[:, rows].T) / 2, SAME_RECORDING)
    first = list(range(len(labels)))
    for row, cluster in zip(positions, clusters, strict=True):
        first[row] = positions[cluster]
    found = sorted(set(clusters))
    of_clusters = np.stack([distance[np.equal(clusters, cluster)].mean(0) for cluster in found])
    least, nearest = of_clusters.min(0), of_clusters.argmin(0)  # (s) each
    for clip in set(first).difference(positions):  # not compared with each other
        if least[clip] < SAME_RECORDING:
            first[clip] = positions[found[nearest[clip]]]
    return first


def _mean_linkage(distance: Distances, limit: float) -> list[int]:
    """Return the cluster of each item, as the number of its first one; distances (h h)."""
    distance, first = distance.copy(), list(range(len(distance)))
    np.fill_diagonal(distance, np.inf)
    while distance.min() < limit:
        a, b = sorted(divmod(int(distance.argmin()), len(first)))
        mean = (first.count(a) * distance[a] + first.count(b) * distance[b]) / (
            first.count(a) + first.count(b)
        )
        distance[a] = distance[:, a] = mean
        distance[b] = distance[:, b] = distance[a, a] = np.inf
        first = [a if cluster == b else cluster for cluster in first]
    return first


def _relative_distance(similarity: Similarities, rows: Labels, labels: Labels) -> Distances:
    """Return distances (h s), at least 0, in units of their mean between classes."""
    itself = similarity[np.arange(len(rows)), rows].mean()
    distance = itself - similarity.astype(np.float64)
    between = distance[labels[rows][:, None] != labels].mean()
    relative: Distances = np.maximum(distance / max(between, 1e-12), 0.0)
    return relative
