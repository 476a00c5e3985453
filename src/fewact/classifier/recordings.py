"""Recordings: which training clips of a class were probably cut from one recording.

Clips of one recording, or of one person in one place, are more alike than any clip of another
person will be: a clip that is held out alone is recognised by its siblings. Where no groups are
given, recordings are found from what the clips look like and how they move. With d_A and d_K, the
distances of two clips in appearance and in all that the method compares, each divided by its mean
over clips of different classes, two clips of a class are of one recording if

    √(d_A(i, j) · d_K(i, j)) < 0.72

and so are clips that a chain of such pairs joins. The distance of two clips is the mean similarity
of clips with themselves less that of the two.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.classifier.names import Example

SAME_RECORDING = 0.72
"""Chosen on development clips of five kinds (docs/decisions/unknown-actions.md): of pairs of one
recording 85 to 95 % are below it, of others 2 to 10 %; for clips of mice these overlap."""


def groups_of(
    clips: Sequence[Example],
    appearance: Tensor | None,
    pairs: Tensor,
    positions: Sequence[int],
    labels: Tensor,
) -> list[str | None]:
    """Return the group of each training clip: the given one, or the recording that is found.

    Other arguments are those of ``find_recordings``. Without ``appearance`` nothing is found.
    """
    groups = [clip.group for clip in clips]
    if appearance is None or None not in groups or len(clips) == int(labels.max()) + 1:
        return groups
    recordings = find_recordings(appearance, pairs, positions, labels)
    return [
        f"recording {recording}" if group is None else group
        for group, recording in zip(groups, recordings, strict=True)
    ]


def find_recordings(
    appearance: Tensor, pairs: Tensor, positions: Sequence[int], labels: Tensor
) -> list[int]:
    """Return the recording of each training clip, as the position of its first clip.

    Args:
        appearance: Similarities (h s) of what is visible, of some training clips with all.
        pairs: Similarities (h s) of all that is compared.
        positions: Positions of the h clips among the training clips.
        labels: Classes (s) of the training clips.

    >>> alike = torch.tensor([[1, 0.9, 0.2], [0.9, 1, 0.2], [0.2, 0.2, 1]])
    >>> find_recordings(alike, alike, range(3), torch.tensor([0, 0, 1]))
    [0, 0, 2]
    """
    rows = torch.tensor(list(positions))
    product = _relative_distance(appearance, rows, labels) * _relative_distance(pairs, rows, labels)
    joined = (product < SAME_RECORDING**2) & (labels[rows][:, None] == labels)
    first = list(range(len(labels)))

    def root(clip: int) -> int:
        while first[clip] != clip:
            clip = first[clip]
        return clip

    for row, clip in joined.nonzero().tolist():
        low, high = sorted((root(clip), root(int(rows[row]))))
        first[high] = low
    return [root(clip) for clip in range(len(labels))]


def _relative_distance(similarity: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
    """Return distances (h s), at least 0, in units of their mean between classes."""
    itself = similarity.gather(1, rows[:, None]).mean()
    distance = itself - similarity.double()
    between = distance[labels[rows][:, None] != labels].mean()
    return (distance / between.clamp_min(1e-12)).clamp_min(0)
