"""Which way up a clip is: one that lies on its side is turned before it is compared.

A phone records a picture that stands upright, or one that lies on its side with a note of how to
turn it; programs lose the note. Only clips are turned that are higher than wide where all training
clips are wider than high, or the reverse: a person who lies down is no picture on its side.

The training clips say which way to turn it. A clip has a vector in each of four orientations. Their
mean, which tells what is shown, is taken away; what is left tells what is up. A clip is turned so
that this is most like a training clip's. See docs/decisions/orientation.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.backbones import Backbone, Level
from fewact.backbones.workers import on_one_core
from fewact.camera.faults import Fault
from fewact.classifier.examples import Examples
from fewact.classifier.pipeline import Pipeline
from fewact.features.request import FeatureRequest, Features, View

TURNED: Final = "turned_vectors"
"""Name of the node of training clips: a vector (4 d) in each orientation."""

LEVEL: Final[Level] = "vectors"
VECTORS, PIXELS = FeatureRequest(LEVEL, View(8)), FeatureRequest("pixels", View(8))
"""Vectors of frames, and the frames that are turned."""

SLOTS = (2, 6)
"""Frames that are turned: with all eight, hardly more clips are right."""

DECIDING = (0.25, 0.75)
"""Times of the frames that decide for a recording, as fractions of its first part."""

MARGIN = 0.02
"""How much more a clip must be like the training clips when it is turned than as it is."""

NOT_SQUARE = 1.1
"""Least width over height, or height over width, of a clip with a long side."""

MOST_CLIPS = 100
"""Most training clips that a clip is compared with."""

TURNS = (0, 1, 3)
"""Quarter turns, counter-clockwise, that a clip may get. Two are not among them: a person may stand
on the hands, and nothing but the person tells what is up before a plain background."""

ON_ITS_SIDE = Fault("lies on its side", "it was turned to be compared; turn the video")


def turning_backbone(pipeline: Pipeline) -> Backbone | None:
    """Return the backbone of a pipeline; None if it has no vectors of single square frames.

    Nor if the method does not use the network.
    """
    backbone = pipeline.backbone
    if not isinstance(backbone, Backbone) or not backbone.reads_single_frames:
        return None
    height, width = backbone.card.input_size
    levels = {request.level for request in pipeline.method.requests(backbone.card)}
    return backbone if height == width and levels - {"pixels", None} else None


def turned_vectors(backbone: Backbone, features: Features) -> Tensor:
    """Return the mean unit vectors (4 d) of a clip after 0 to 3 quarter turns.

    Args:
        backbone: Backbone that computes the vectors.
        features: Features of the clip, with those of ``VECTORS`` and ``PIXELS``.
    """
    chosen = list(SLOTS)
    return _turned(backbone, features[PIXELS].cpu()[chosen], features[VECTORS][chosen])


def _turned(backbone: Backbone, frames: Tensor, vectors: Tensor) -> Tensor:
    """Return mean unit vectors (4 d) of prepared frames (n 3 H W) that have vectors (n d)."""
    turned = torch.cat([frames.rot90(turns, (-2, -1)) for turns in (1, 2, 3)])
    every = torch.cat([vectors, backbone.features(turned, [LEVEL])[LEVEL]])
    each = functional.normalize(every.float(), dim=-1).unflatten(0, (4, -1))
    return functional.normalize(each.mean(1), dim=-1)


@dataclass(frozen=True)
class Upright:
    """What training clips tell about what is up.

    Args:
        vectors: Vectors (s 4 d) of s training clips in four orientations.
        wide: Whether they are wider than high; otherwise they are higher than wide.
    """

    vectors: Tensor
    wide: bool

    def may_lie(self, aspect: float | None) -> bool:
        """Return whether a clip of this width over height may lie on its side."""
        return aspect is not None and _is_wide(aspect) is (not self.wide)

    def turns(self, vectors: Tensor) -> int:
        """Return the number of quarter turns, counter-clockwise, that turn a clip upright.

        Args:
            vectors: Vectors (4 d) of the clip in four orientations.

        Returns:
            0, 1 or 3.
        """
        return on_one_core(lambda: int(chosen_turns(likeness(vectors.cpu(), self.vectors))))


class FrameTurner:
    """Turns the frames of a recording from when it is known that it lies on its side.

    Args:
        pipeline: Backbone and method that compare the frames.
        upright: What the training clips tell about what is up; None if nothing.
        seconds: Duration of the part of the recording that decides.
    """

    def __init__(self, pipeline: Pipeline, upright: Upright | None, seconds: float) -> None:
        self._backbone, self._upright = turning_backbone(pipeline), upright
        self._times = [part * seconds for part in DECIDING]
        self._first: float | None = None
        self._kept: list[Tensor] = []
        self._turns = 0

    def decides(self, time: float, frame: NDArray[np.uint8]) -> bool:
        """Look at a frame (h w 3); return whether it and the next ones are turned from now on."""
        if self._backbone is None or self._upright is None or len(self._kept) == len(self._times):
            return False
        if not self._upright.may_lie(frame.shape[1] / frame.shape[0]):
            self._upright = None
            return False
        self._first = time if self._first is None else self._first
        if time - self._first < self._times[len(self._kept)]:
            return False
        self._kept.append(self._backbone.prepare(frame).clone())
        if len(self._kept) < len(self._times):
            return False
        frames = torch.stack(self._kept)
        vectors = self._backbone.features(frames, [LEVEL])[LEVEL]
        self._turns = self._upright.turns(_turned(self._backbone, frames, vectors))
        return self._turns != 0

    def turned(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame (h w 3) as it is compared."""
        return np.ascontiguousarray(np.rot90(frame, self._turns)) if self._turns else frame


def likeness(vectors: Tensor, taught: Tensor) -> Tensor:
    """Return how much the orientation of a clip is that of training clips after each of ``TURNS``.

    Args:
        vectors: Vectors (… 4 d) of the clip in four orientations.
        taught: Those (s 4 d) of the training clips.

    Returns:
        Inner products (… 3 s).
    """
    own, other = (one.double() - one.double().mean(-2, keepdim=True) for one in (vectors, taught))
    turned = torch.stack([own.roll(-turns, -2) for turns in TURNS], -3)  # (… 3 4 d)
    return turned.flatten(-2) @ other.flatten(-2).mT


def chosen_turns(likeness: Tensor) -> Tensor:
    """Return the number of quarter turns (…) by which clips are turned: (… 3 s) → (…)."""
    best = likeness.amax(-1) - torch.tensor([0, MARGIN, MARGIN])
    return torch.tensor(TURNS)[best.argmax(-1)]


def find_upright(examples: Examples) -> Upright | None:
    """Return what training clips tell about what is up; None if they have different formats."""
    vectors = examples.nodes.get(TURNED)
    wide = {None if clip.aspect is None else _is_wide(clip.aspect) for clip in examples.clips}
    if vectors is None or len(wide) > 1:
        return None
    (one,) = wide
    return None if one is None else Upright(vectors[_spread(len(vectors))], one)


def find_lying(examples: Examples, upright: Upright | None = None) -> list[str]:
    """Return the titles of training clips that lie on their side, unlike most others.

    Args:
        examples: Training clips.
        upright: What other clips tell about what is up; None to ask those of the most common
            format.
    """
    vectors = examples.nodes.get(TURNED)
    aspects = [clip.aspect for clip in examples.clips]
    if vectors is None:
        return []
    if upright is None:
        formats = [aspect and _is_wide(aspect) for aspect in aspects]
        common = 2 * formats.count(True) > len(formats)
        most = [i for i, wide in enumerate(formats) if wide is common]
        if 2 * len(most) <= len(formats):
            return []
        upright = Upright(vectors[most][_spread(len(most))], common)
    return [
        clip.title
        for clip, own in zip(examples.clips, vectors, strict=True)
        if upright.may_lie(clip.aspect) and upright.turns(own)
    ]


def _is_wide(aspect: float) -> bool | None:
    """Return whether a picture is wider than high; None if it is about square."""
    return None if abs(math.log(aspect)) < math.log(NOT_SQUARE) else aspect > 1


def _spread(count: int) -> Sequence[int]:
    """Return positions of at most so many of ``count`` clips, evenly spread."""
    most = min(count, MOST_CLIPS)
    return [i * count // most for i in range(most)]
