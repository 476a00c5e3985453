"""Comparison of an engine with ``torch`` on rendered frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from fewact.backbones.card import Level
from fewact.video.source import VideoSource

if TYPE_CHECKING:
    from fewact.backbones.backbone import Backbone


@dataclass(frozen=True)
class Tolerance:
    """Tolerated differences from ``torch``.

    Args:
        difference: Largest difference of a value, relative to the largest value of its level.
        cosine: Smallest cosine of the features of a slot.
    """

    difference: float
    cosine: float


TOLERANCES = {"float32": Tolerance(1e-3, 0.9999), "int8": Tolerance(math.inf, 0.9)}
"""Tolerances by precision; in int8 single values differ, and only directions count."""
FRAMES = 4


def disagreement(backbone: "Backbone", reference: "Backbone") -> str:
    """Return how the features of two backbones differ; empty if they agree.

    The frames are of a video of the benchmark ``motions``, so that every machine checks the same.

    Args:
        backbone: Backbone with the engine to check, in float32 or int8.
        reference: The same network with the engine ``torch``, which computes in float32.
    """
    tolerance = TOLERANCES[backbone.card.precision]
    frames = _frames(reference)
    levels = reference.card.network_levels
    cases: list[tuple[Tensor, Sequence[Level]]] = [(frames, levels)]
    if "middle" in levels:  # The two levels of frames of any size.
        small = frames[..., ::2, ::2].contiguous()
        cases += [(small, ["shallow"]), (small, ["shallow", "middle"])]
    for images, each in cases:
        got, expected = (one.features(images, each) for one in (backbone, reference))
        for level in each:
            if found := _differences(got[level].flatten(1), expected[level].flatten(1), tolerance):
                return f"{level}: {found}"
    return ""


def _frames(backbone: "Backbone") -> Tensor:
    from fewact.synthetic import motions
    from fewact.video import Segments

    together = backbone.network.frames_together
    count = -(-FRAMES // together) * together
    source = cast(VideoSource, motions("moving-camera").videos.videos[0].source)
    return backbone.prepare(source.read([Segments(count)]).frames[0])


def _differences(got: Tensor, expected: Tensor, tolerance: Tolerance) -> str:
    """Return how features (t d) differ by more than a tolerance."""
    if not got.isfinite().all():
        return "not finite"
    difference = float((got - expected).abs().max() / expected.abs().max())
    cosine = float(torch.cosine_similarity(got.double(), expected.double()).min())
    if difference <= tolerance.difference and cosine >= tolerance.cosine:
        return ""
    return f"largest relative difference {difference:.1e}, smallest cosine {cosine:.5f}"
