"""Orientation of clips: one that is rotated by 90° is rotated back before it is compared.

A phone records landscape and portrait frames alike, and notes how to display them; programs lose
the note. Only clips in portrait format are rotated where all training clips are in landscape
format, or the reverse: of a person who falls, the format does not change.

The training clips decide whether a clip is rotated. Of each clip there is a vector in each of four
orientations. Their mean is subtracted: it depends on the content, the differences depend on the
orientation. A clip is rotated if its differences are then more similar to those of a training clip;
what the network knows of upright images counts a little, see ``uprightness``.
See docs/decisions/orientation.md.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fewact.backbones import Backbone, Level
from fewact.classifier.examples import Examples, spread
from fewact.classifier.pipeline import Pipeline
from fewact.classifier.uprightness import centred, scores_of
from fewact.core.workers import on_one_core
from fewact.data.rotated import rotate_frame
from fewact.features.request import FeatureRequest, Features, View
from fewact.video.cleaning.correction import Fault

ORIENTATIONS: Final = "orientations"
"""Name of the node of training clips: a vector (4 d) in each orientation."""

LEVEL: Final[Level] = "vectors"
VECTORS, PIXELS = FeatureRequest(LEVEL, View(8)), FeatureRequest("pixels", View(8))
"""Vectors of frames, and the frames that are rotated."""

SLOTS = (2, 6)
"""Frames that are rotated: with all eight, hardly more clips are right."""

DECIDING = (0.25, 0.75)
"""Times of the frames that decide for a recording, as fractions of its first part."""

KNOWN = 0.05
"""Weight of the score of ``uprightness`` beside the similarity."""

MARGIN = 0.02
"""Least difference between the similarity of a clip that is rotated and of the clip as it is."""

NOT_SQUARE = 1.1
"""Least ratio of the longer side of a frame in landscape or portrait format to the shorter one."""

MOST_CLIPS = 100
"""Most training clips that a clip is compared with."""

TURNS = (0, 1, 3)
"""Quarter turns, counter-clockwise, that a clip may get. Two do not change the format: a person may
do a handstand."""

ROTATED = Fault("rotated by 90°", "it was rotated back to be compared; rotate the video")


def rotating_backbone(pipeline: Pipeline) -> Backbone | None:
    """Return the backbone of a pipeline; None if it has no vectors of single square frames.

    Nor if the method does not use the network.
    """
    backbone = pipeline.backbone
    if not isinstance(backbone, Backbone) or not backbone.reads_single_frames:
        return None
    height, width = backbone.card.input_size
    levels = {request.level for request in pipeline.method.requests(backbone.card)}
    return backbone if height == width and levels - {"pixels", None} else None


def orientation_vectors(backbone: Backbone, features: Features) -> Tensor:
    """Return the mean unit vectors (4 d) of a clip after 0 to 3 quarter turns.

    Args:
        backbone: Backbone that computes the vectors.
        features: Features of the clip, with those of ``VECTORS`` and ``PIXELS``.
    """
    chosen = list(SLOTS)
    return _of_frames(backbone, features[PIXELS].cpu()[chosen], features[VECTORS][chosen])


def _of_frames(backbone: Backbone, frames: Tensor, vectors: Tensor) -> Tensor:
    """Return mean unit vectors (4 d) of prepared frames (n 3 H W) that have vectors (n d)."""
    rotated = torch.cat([frames.rot90(turns, (-2, -1)) for turns in (1, 2, 3)])
    every = torch.cat([vectors, backbone.features(rotated, [LEVEL])[LEVEL].to(vectors)])
    each = functional.normalize(every.float(), dim=-1).unflatten(0, (4, -1))
    return functional.normalize(each.mean(1), dim=-1)


@dataclass(frozen=True)
class Upright:
    """Orientation of the training clips.

    Args:
        vectors: Vectors (s 4 d) of s training clips in four orientations.
        landscape: Whether all are in landscape format; otherwise all are in portrait format.
    """

    vectors: Tensor
    landscape: bool

    def may_be_rotated(self, aspect: float | None) -> bool:
        """Return whether a clip of this aspect ratio has the other format."""
        return aspect is not None and _is_landscape(aspect) is (not self.landscape)

    def turns(self, vectors: Tensor, weights_sha256: str) -> int:
        """Return the number of quarter turns, counter-clockwise, after which a clip is upright.

        Args:
            vectors: Vectors (4 d) of the clip in four orientations.
            weights_sha256: SHA-256 of the weights of the network that computed them.

        Returns:
            One of ``TURNS``.
        """
        known = scores_of(vectors, weights_sha256)
        return on_one_core(lambda: int(best_turns(similarity(vectors.cpu(), self.vectors), known)))


class FrameRotation:
    """Rotates the frames of a recording, once its first part has decided.

    Args:
        pipeline: Backbone and method that compare the frames.
        upright: Orientation of the training clips; None if it is not known.
        seconds: Duration of the first part.
    """

    def __init__(self, pipeline: Pipeline, upright: Upright | None, seconds: float) -> None:
        self._backbone, self._upright = rotating_backbone(pipeline), upright
        self._before = pipeline.turns
        self._times = [part * seconds for part in DECIDING]
        self._first: float | None = None
        self._kept: list[Tensor] = []
        self._turns = 0

    @property
    def message(self) -> str:
        """What is done with the frames from the one on of which ``begins`` is true."""
        if (self._before + self._turns) % 4:
            return "the recording is rotated back: it is rotated by 90°"
        return "the recording is compared as it is: it is upright, unlike the training clips"

    def begins(self, time: float, frame: NDArray[np.uint8]) -> bool:
        """Return whether this frame (h w 3) is the first one to be rotated."""
        if self._backbone is None or self._upright is None or len(self._kept) == len(self._times):
            return False
        frame = rotate_frame(frame, self._before)
        if not self._upright.may_be_rotated(frame.shape[1] / frame.shape[0]):
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
        found = _of_frames(self._backbone, frames, vectors)
        self._turns = self._upright.turns(found, self._backbone.card.weights_sha256)
        return self._turns != 0

    def rotated(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame (h w 3) as it is compared."""
        return rotate_frame(frame, (self._before + self._turns) % 4)


def similarity(vectors: Tensor, others: Tensor) -> Tensor:
    """Return the similarity of a clip's orientation after each of ``TURNS`` with those of others.

    Args:
        vectors: Vectors (… 4 d) of the clip in four orientations.
        others: Those (s 4 d) of the training clips.

    Returns:
        Inner products (… 3 s).
    """
    own, other = centred(vectors), centred(others)
    rotated = torch.stack([own.roll(-turns, -2) for turns in TURNS], -3)  # (… 3 4 d)
    return rotated.flatten(-2) @ other.flatten(-2).mT


def best_turns(similarity: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the number of quarter turns (…) by which clips are rotated.

    Args:
        similarity: Similarity (… 3 s) with each training clip after each of ``TURNS``.
        known: How upright the clips are after 0 to 3 turns (… 4), see ``uprightness``; None if the
            network is not known.
    """
    best = similarity.amax(-1) - similarity.new_tensor([0, MARGIN, MARGIN])
    if known is not None:
        best = best + KNOWN * known[..., list(TURNS)]
    return torch.tensor(TURNS)[best.argmax(-1)]


def find_upright(examples: Examples) -> Upright | None:
    """Return the orientation of training clips; None if they have different formats."""
    vectors = examples.nodes.get(ORIENTATIONS)
    formats = {None if one.aspect is None else _is_landscape(one.aspect) for one in examples.clips}
    if vectors is None or len(formats) > 1:
        return None
    (landscape,) = formats
    return (
        None if landscape is None else Upright(vectors[spread(len(vectors), MOST_CLIPS)], landscape)
    )


def find_rotated(
    examples: Examples, weights_sha256: str, upright: Upright | None = None
) -> list[str]:
    """Return the titles of training clips that are rotated by 90°, unlike most others.

    Args:
        examples: Training clips.
        weights_sha256: SHA-256 of the weights of the network that encoded them.
        upright: Orientation of other clips; None to compare with those of the most common format.
    """
    vectors = examples.nodes.get(ORIENTATIONS)
    if vectors is None:
        return []
    if upright is None:
        formats = [None if c.aspect is None else _is_landscape(c.aspect) for c in examples.clips]
        landscape = 2 * formats.count(True) > len(formats)
        most = [i for i, one in enumerate(formats) if one is landscape]
        if 2 * len(most) <= len(formats):
            return []
        upright = Upright(vectors[most][spread(len(most), MOST_CLIPS)], landscape)
    return [
        clip.title
        for clip, own in zip(examples.clips, vectors, strict=True)
        if upright.may_be_rotated(clip.aspect) and upright.turns(own, weights_sha256)
    ]


def _is_landscape(aspect: float) -> bool | None:
    """Return whether an aspect ratio is that of landscape format; None if it is about square."""
    return None if abs(math.log(aspect)) < math.log(NOT_SQUARE) else aspect > 1
