"""Options of fusion, and the weighted terms that they choose."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.backbones.card import Level
from fewact.features.request import (
    CameraMotionRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Stabilise,
    View,
)
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.fusion.camera_weight import StaticCamera
from fewact.methods.fusion.terms import Appearance, Detrend, LearnedMotion, Moments, Motion
from fewact.methods.fusion.vectors import VectorTerms
from fewact.methods.fusion.weighted_terms import WeightedTerm, WeightedTerms, When

GRIDS: Mapping[Level, int] = {"middle": 4, "shallow": 6}
"""Rows and columns of cells in which motion is compared, by the level of the maps."""


class TermWeights(NamedTuple):
    """Weights of the terms."""

    appearance: NonNegativeFloat = 1.0
    motion: NonNegativeFloat = 1.5
    shallow_motion: NonNegativeFloat = 0.5
    full_frame_motion: NonNegativeFloat = 0.5
    moments: NonNegativeFloat = 0.75
    vector_motion: NonNegativeFloat = 1.0
    differences: NonNegativeFloat = 1.5
    learned_motion: NonNegativeFloat = 1.0


BEFORE_LEARNED_MOTION = 7
"""Number of all weights that were saved before there was learned motion."""


def _complete(weights: Any) -> Any:
    """Return saved weights with none of learned motion, where they were all."""
    if isinstance(weights, list | tuple) and len(weights) == BEFORE_LEARNED_MOTION:
        return [*weights, 0.0]
    return weights


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Number of frames for appearance and for full-frame motion.
        motion_frames: Number of frames for motion and moments. Three times ``frames``: the frames
            for appearance are among them, and moments of a query whose camera is static use these
            alone.
        stabilise: Remove camera motion from the frames of motion and moments: ``off``, ``on``,
            ``auto``, which does it where the camera moved, or ``permissive``, the same by the
            permissive estimate alone. Needs a backbone with maps, and other ``cameras`` than
            ``static``.
        cameras: Assumption about the cameras. ``moving``: a linear trend over time is removed.
            ``static``: nothing is stabilised and only the mean is removed, which distinguishes
            sitting down from standing up better. ``support``: the support clips decide the
            weight of both; of vectors, which tell nothing of the camera, the mean is removed.
        horizontal_flip: Treat a clip and its horizontal flip alike, for actions of either hand.
            Classes that differ only in left and right become equal. Needs a backbone with maps.
        weights: Weights of appearance; of motion in the middle maps and in the shallow ones; of
            full-frame motion and moments; of the motion of vectors, for a backbone without maps;
            of images of the differences between the frames of motion; and of learned motion, which
            a small network sees in these images. For a query whose camera is static, motion in the
            shallow maps has the weights of both. Where the network is sure of the support, learned
            motion replaces half of the other weights. A term of weight 0 is not computed, but for
            appearance.
        channel_mixing: Number of channels of the middle maps, to train a matrix that mixes them;
            initially the identity. Default: no mixing.
        intra_class_weight: Weight of the intra-class similarity that is subtracted from the score
            of a class; less for a clip that looks unlike all support clips.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 24
    stabilise: Stabilise = "auto"
    cameras: Literal["support", "moving", "static"] = "support"
    horizontal_flip: bool = False
    weights: Annotated[TermWeights, BeforeValidator(_complete)] = TermWeights()
    channel_mixing: PositiveInt | None = None
    intra_class_weight: NonNegativeFloat = 0.5

    def __post_init__(self) -> None:
        moving = self.cameras != "static"
        effect = Effect(
            "stabilise", moving, "cameras=static", "cameras support or moving", off="off"
        )
        refuse_without_effect(self, [effect])


def map_terms(options: FusionOptions) -> WeightedTerms:
    """Return the terms for a backbone with maps."""
    by_support, is_static = options.cameras == "support", options.cameras == "static"
    stabilise: Stabilise = "off" if is_static else options.stabilise
    detrend: Detrend = "constant" if is_static else "linear"
    moving: When = "default" if by_support else "always"
    vectors = FeatureRequest("vectors", View(options.frames))
    full_frame = FeatureRequest("middle", View(options.frames))
    view = View(options.motion_frames, stabilise)
    stabilised, shallow = (FeatureRequest(level, view) for level in GRIDS)
    few = FeatureRequest("middle", few_frames(options.frames, view))
    camera = CameraMotionRequest(View(options.motion_frames, "auto"))

    # The sum of the weights is the same: clips of both cameras may be in one support.
    both = options.weights.motion + options.weights.shallow_motion
    static = options.weights._replace(motion=0.0, shallow_motion=both)
    weights = static if is_static else options.weights
    deep = stabilised if weights.motion else few

    appearance = WeightedTerm("appearance", Appearance(vectors), weights.appearance)
    moments = WeightedTerm("moments", Moments(deep, detrend), weights.moments)
    motion, shallow_motion = (
        WeightedTerm(name, cropped_motion(maps, detrend), weight, moving)
        for name, maps, weight in (
            ("motion", stabilised, weights.motion),
            ("shallow_motion", shallow, weights.shallow_motion),
        )
    )
    of_few = []
    if by_support:
        motion = replace(motion, static_weight=static.motion)
        shallow_motion = replace(shallow_motion, static_weight=static.shallow_motion)
    if by_support and deep != few:
        of_few = [
            WeightedTerm("few_moments", Moments(few, detrend), 0.0, static_weight=static.moments)
        ]
        moments = replace(moments, static_weight=0.0)
    full = Motion(full_frame, detrend)
    full_motion = WeightedTerm("full_frame_motion", full, weights.full_frame_motion, moving)
    changes = cropped_motion(DifferenceRequest(view), detrend)
    differences = WeightedTerm("differences", changes, weights.differences)

    learned = LearnedMotion(DifferenceImageRequest(view))
    learned_motion = WeightedTerm("learned_motion", learned, weights.learned_motion)

    stable = [moments, *of_few, motion, shallow_motion, differences, learned_motion]
    if stabilise == "auto":
        stable = [view for one in stable for view in one.of_both_views()]
    terms = [appearance, *stable, full_motion]
    if by_support:
        terms += [one.as_static() for one in (motion, shallow_motion, full_motion)]
    used = tuple(one for one in terms if one.weight or one.static_weight or one is appearance)
    return WeightedTerms(used, StaticCamera(camera) if by_support else None)


def few_frames(frames: int, motion: View) -> View:
    """Return the frames for appearance, stabilised like those of motion that contain them.

    Args:
        frames: Number of frames for appearance.
        motion: Frames for motion; all of them are returned if they do not contain the others.
    """
    times = motion.frames // frames
    if motion.frames % frames or times % 2 == 0 or times == 1:
        return motion
    of = 0 if motion.stabilise == "off" else motion.frames
    return replace(motion, frames=frames, of=of)


def cropped_motion(maps: FeatureRequest | DifferenceRequest, detrend: Detrend) -> Motion:
    """Return the term of motion that compares maps where something moves."""
    return Motion(maps, detrend, crop=True, grid=GRIDS[maps.level])


def vector_terms(options: FusionOptions) -> VectorTerms:
    """Return the terms for a backbone without maps."""
    detrend: Detrend = "linear" if options.cameras == "moving" else "constant"
    vectors = FeatureRequest("vectors", View(options.frames))
    weights = options.weights.appearance, options.weights.vector_motion
    return VectorTerms(Appearance(vectors), Motion(vectors, detrend), weights)
