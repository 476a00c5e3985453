"""Whether all training clips are rotated: of networks, one direction knows what is upright.

A program that loses the note of how to display a video loses that of all videos. New clips do not
differ from training clips then, but the network was trained on upright images: it has a direction
in which vectors of upright images are greater than those of rotated ones. All training clips decide
together. See docs/decisions/orientation.md; benchmarks/training/uprightness.py fits the directions.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import torch
from torch import Tensor

from fewact.core.tensors import packaged_tensors
from fewact.core.workers import on_one_core

DIRECTIONS: Final = "uprightness.safetensors"
DIRECTIONS_SHA256: Final = "2049155d92343ebf9b107a24c7ed3c9b5e9d7328f0f6722ab70c9dcec20f7978"

LEAST = 0.5
"""Least difference between the scores of rotated clips and of the clips as they are; 1 is expected
where it is hardest to tell."""

DEVIATION, LEAST_ERRORS = 0.6, 3.0
"""Standard deviation of the difference over such clips, and how many standard errors of its mean it
must be."""


def centred(vectors: Tensor) -> Tensor:
    """Return vectors (… 4 d) of four orientations without their mean, float64."""
    each = vectors.double()
    return each - each.mean(-2, keepdim=True)


def scores_of(vectors: Tensor, weights_sha256: str) -> Tensor | None:
    """Return how upright clips are after 0 to 3 quarter turns: (… 4 d) → (… 4).

    Args:
        vectors: Vectors of the clips, see ``orientation.orientation_vectors``.
        weights_sha256: SHA-256 of the network's weights.

    Returns:
        Scores, float64; None for a network of which no direction is known.

    Raises:
        WeightsError: The file of the directions is not the expected one.
    """
    direction = _directions().get(weights_sha256)
    if direction is None:
        return None
    return on_one_core(lambda: centred(vectors.cpu()) @ direction.double())


def common_turns(scores: Tensor, recordings: Sequence[str]) -> int:
    """Return the number of quarter turns, counter-clockwise, after which all clips are upright.

    Args:
        scores: Scores (s 4) of the clips.
        recordings: Recording of each clip; clips of one recording count as one.

    Returns:
        0 to 3; 0 if that is not clear.
    """
    own = {name: number for number, name in enumerate(dict.fromkeys(recordings))}
    of = torch.tensor([own[name] for name in recordings])
    greater = scores[:, 1:] - scores[:, :1]  # (s 3)
    each = torch.stack([greater[of == number].mean(0) for number in range(len(own))])
    mean, turns = each.mean(0).max(0)
    spread = float(each[:, turns].std()) if len(each) > 1 else 0.0
    least = max(LEAST, LEAST_ERRORS * max(DEVIATION, spread) / math.sqrt(len(each)))
    return int(turns) + 1 if mean >= least else 0


@cache
def _directions() -> dict[str, Tensor]:
    """Return the direction (d) of each network by the SHA-256 of its weights."""
    what = "the directions of upright vectors"
    return packaged_tensors(__package__, DIRECTIONS, DIRECTIONS_SHA256, what)
