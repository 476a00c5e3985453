"""Options of fusion, and the weighted terms that they choose."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from fewact.features.request import (
    CameraRequest,
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    SmallFrameRequest,
    Stabilise,
    View,
)
from fewact.methods.common.effects import Effect, refuse_without_effect
from fewact.methods.fusion.camera_weight import StaticCamera
from fewact.methods.fusion.terms import Appearance, Detrend, LearnedMotion, Moments, Motion
from fewact.methods.fusion.vectors import VectorTerms
from fewact.methods.fusion.weighted_terms import WeightedTerm, WeightedTerms, When

MIDDLE_GRID, SMALL_GRID = 4, 6
"""Rows and columns of cells in which motion is compared, in middle maps and in small ones."""


class TermWeights(BaseModel):
    """Weights of the terms.

    Args:
        appearance: Weight of appearance.
        motion: Weight of motion in small stabilised frames.
        full_frame_motion: Weight of motion in the frames of appearance, without a crop.
        moments: Weight of moments.
        vector_motion: Weight of motion of vectors, for a backbone without maps.
        differences: Weight of motion in images of the differences between frames.
        learned_motion: Weight of learned motion, which a small network sees in these images. Where
            the network is sure of the support, it replaces half of the other weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    appearance: NonNegativeFloat = 1.0
    motion: NonNegativeFloat = 1.5
    full_frame_motion: NonNegativeFloat = 0.5
    moments: NonNegativeFloat = 0.75
    vector_motion: NonNegativeFloat = 1.0
    differences: NonNegativeFloat = 1.5
    learned_motion: NonNegativeFloat = 1.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Number of frames for appearance, moments and full-frame motion.
        motion_frames: Number of frames for motion, differences and learned motion.
        stabilise: Remove camera motion from the frames of motion: ``off``, ``on``,
            ``auto``, which does it where the camera moved, or ``permissive``, the same by the
            permissive estimate alone. Needs a backbone with maps, and other ``cameras`` than
            ``static``.
        cameras: Assumption about the cameras. ``moving``: a linear trend over time is removed.
            ``static``: nothing is stabilised and only the mean is removed, which distinguishes
            sitting down from standing up better. ``support``: the support clips decide the
            weight of both; of vectors, which tell nothing of the camera, the mean is removed.
        horizontal_flip: Treat a clip and its horizontal flip alike, for actions of either hand.
            Classes that differ only in left and right become equal. Needs a backbone with maps.
        weights: Weights of the terms. A term of weight 0 is not computed, but for appearance.
        channel_mixing: Number of channels of the middle maps, to train a matrix that mixes them;
            initially the identity. Default: no mixing.
        intra_class_weight: Weight of the intra-class similarity that is subtracted from the score
            of a class; less for a clip that looks unlike all support clips.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 32
    stabilise: Stabilise = "auto"
    cameras: Literal["support", "moving", "static"] = "support"
    horizontal_flip: bool = False
    weights: TermWeights = TermWeights()
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
    frames = View(options.frames)
    vectors, middle = (FeatureRequest(level, frames) for level in ("vectors", "middle"))
    view = View(options.motion_frames, stabilise)
    camera = CameraRequest(View(options.motion_frames, "auto"))
    weights = options.weights

    appearance = WeightedTerm("appearance", Appearance(vectors), weights.appearance)
    moments = WeightedTerm("moments", Moments(middle, detrend), weights.moments)
    of_maps = Motion(middle, detrend, grid=MIDDLE_GRID)
    full_motion = WeightedTerm("full_frame_motion", of_maps, weights.full_frame_motion, moving)
    of_frames, of_changes = (
        Motion(request, detrend, crop=True, grid=SMALL_GRID)
        for request in (SmallFrameRequest(view), DifferenceRequest(view))
    )
    motion = WeightedTerm("motion", of_frames, weights.motion, moving)
    differences = WeightedTerm("differences", of_changes, weights.differences)
    learned = LearnedMotion(DifferenceImageRequest(view), options.horizontal_flip)
    learned_motion = WeightedTerm("learned_motion", learned, weights.learned_motion)

    of_motion = [motion, differences, learned_motion]
    if stabilise == "auto":
        of_motion = [view for one in of_motion for view in one.of_both_views()]
    terms = [appearance, moments, *of_motion, full_motion]
    if by_support:
        terms += [one.as_static() for one in (motion, full_motion)]
    used = tuple(one for one in terms if one.weight or one is appearance)
    return WeightedTerms(used, StaticCamera(camera) if by_support else None)


def vector_terms(options: FusionOptions) -> VectorTerms:
    """Return the terms for a backbone without maps."""
    detrend: Detrend = "linear" if options.cameras == "moving" else "constant"
    vectors = FeatureRequest("vectors", View(options.frames))
    weights = options.weights.appearance, options.weights.vector_motion
    return VectorTerms(Appearance(vectors), Motion(vectors, detrend), weights)
