"""Camera motion of a clip: one similarity transform for each frame, and the log-odds of motion."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fewact.camera.measured import grey_of
from fewact.camera.registration import (
    Keypoints,
    all_pixels,
    detect_keypoints,
    mean_difference,
    register,
    residuals,
)
from fewact.camera.similarity import Similarity
from fewact.errors import OptionError, ShapeError
from fewact.shapes import check_shape

SIDES = (112, 56, 28, 14)
"""Rows and columns of the grey images of the pyramid."""

STEPS = 6
"""Gauss–Newton steps for keypoints on each pyramid level."""

INLIER_DISTANCE = 1 / 224
"""Largest residual of an inlier keypoint, in frame heights."""

TEXTURED = 0.45
"""Fraction of the middle frame's blocks with a keypoint above which there is a textured background:
0.57 to 1 for indoor scenes, 0.11 to 0.31 for a black background, on development clips."""

MIN_INLIERS, MIN_INLIERS_TEXTURELESS = 0.4, 0.75
"""Smallest inlier ratio of an accepted motion; after a cut, for example, the ratio is lower. On a
textureless background a person who squats has many inliers too, so that the limit is higher."""

PERMISSIVE_INLIERS, PERMISSIVE_ZOOM, PERMISSIVE_FRAMES = 0.25, 5.0, 0.75
"""On a textureless background the permissive estimate accepts a motion if, in this fraction of the
frames, the inlier ratio exceeds PERMISSIVE_INLIERS + PERMISSIVE_ZOOM · |log zoom|: handheld
cameras hardly zoom, and a person who squats looks like a zoom. Chosen on development clips."""

PIXEL_STEPS = 10
"""Gauss–Newton steps for all pixels on each pyramid level."""

PIXEL_GAIN = 0.95
"""Registration by all pixels is used where it reduces a frame's difference to this factor."""

MOTION_GAIN = 1.05
"""A frame counts as moved if it has this factor more inliers than under a static camera."""

MOVED_RATIO, STATIC_RATE = 1.35, 4.5
"""The camera moved if (motion_only + PRIOR) / (static_only + PRIOR) is larger than MOVED_RATIO ·
exp(STATIC_RATE · static_fraction), see ``CameraMotion``. Fitted on development clips; in some of
them, people squat, sit down and jog."""

LEAST_ASPECT, MOST_ASPECT = 0.05, 20.0
"""Aspect ratios between which the frames of a clip can be registered."""

PRIOR = 0.01
"""Added to both inlier fractions, which may be zero."""

STATIC_DISTANCE, STATIC_FRAMES = 1 / 448, 16
"""A keypoint that moves less than this between neighbouring frames is static, in frame heights.
Chosen for clips of 16 frames; more of them have less motion between two."""


class Estimates(NamedTuple):
    """Camera motion by two thresholds, see ``CameraMotion``."""

    conservative: Similarity
    permissive: Similarity


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Camera motion of a clip.

    Args:
        frames: Number t of frames.
        motion_only: Fraction of the keypoints that are inliers of the estimated motion only.
        static_only: Fraction of the keypoints that are inliers of a static camera only.
        static_fraction: Fraction of the keypoints that do not move in each of the most static
            fifth of the frame pairs.
        estimate: Computes the estimates when they are first needed: the frames of a static camera
            do not need them.
    """

    frames: int
    motion_only: float
    static_only: float
    static_fraction: float
    estimate: Callable[[], Estimates]

    @cached_property
    def _estimates(self) -> Estimates:
        return self.estimate()

    @property
    def conservative(self) -> Similarity:
        """Similarities (t) from positions in the middle frame to positions in each frame.

        The identity where no motion was found.
        """
        return self._estimates.conservative

    @property
    def permissive(self) -> Similarity:
        """The same with a lower threshold where the background is textureless.

        It finds the camera motion behind moving arms, and follows some full-body motion. With a
        textured background it is ``conservative``.
        """
        return self._estimates.permissive

    @property
    def log_odds(self) -> float:
        """Log-odds that the camera moved; negative for a static camera."""
        ratio = (self.motion_only + PRIOR) / (self.static_only + PRIOR)
        return math.log(ratio / MOVED_RATIO) - STATIC_RATE * self.static_fraction

    @property
    def moved(self) -> bool:
        """Whether the camera moved."""
        return self.log_odds > 0

    @property
    def permissive_to_stabilised(self) -> Similarity:
        """Map (t) from frames stabilised by ``permissive`` to frames stabilised by ``auto``."""
        identity = Similarity.identity(self.frames)
        if not self.moved:
            return identity
        equal = (self.permissive.linear == self.conservative.linear) & (
            self.permissive.shift == self.conservative.shift
        )
        return identity.where(equal, self.conservative.inverse().after(self.permissive))


def estimate_camera_motion(
    frames: Tensor, *, aspect: float | None = None, grey: Tensor | None = None
) -> CameraMotion:
    """Estimate the camera motion of a clip.

    Neighbouring frames are registered by keypoints on small images, all at once. The chained
    transforms are the initial estimate for the registration of each frame to the middle one on
    larger images; a static camera is a second initial estimate. On a textureless background, body
    motion and camera motion are indistinguishable by keypoints: frames with too few inliers are
    registered by all pixels, starting from a static camera, which rarely follows a body.

    Args:
        frames: Clip (t 3 h w), uint8, RGB.
        aspect: Width over height of the frames before they were resized without keeping the aspect
            ratio, such as 4/3; None if the ratio is unchanged.
        grey: Luma (t h w) of the frames if it is known already.

    Raises:
        ShapeError: The frames have another shape or type.
        OptionError: The aspect ratio is out of range.
    """
    check_clip(frames, aspect)
    t, height = len(frames), frames.shape[-2]
    identity = Similarity.identity(t)
    if t == 1:
        return CameraMotion(t, 0.0, 0.0, 1.0, lambda: Estimates(identity, identity))
    pyramid = _pyramid(grey_of(frames) if grey is None else grey)
    levels = [_Level(images, pixel_aspect(images, frames, aspect)) for images in pyramid]
    fine = levels[0]
    reference = fine.reference()
    found = _register_keypoints(levels)
    of_motion, of_static = (
        _inliers(reference, fine, one, INLIER_DISTANCE) for one in (found, identity)
    )  # (t m) each
    inliers, valid = of_motion.sum(1), reference.valid.sum(1)  # (t) each
    better = inliers > MOTION_GAIN * of_static.sum(1)
    better[t // 2] = False
    moved = better & (inliers > MIN_INLIERS * valid)
    keypoints = (valid.sum() - valid[t // 2]).clamp_min(1)
    only = ((of_motion & ~of_static)[moved], (of_static & ~of_motion)[moved])
    motion_only, static_only = (float(which.sum() / keypoints) for which in only)
    factor = height / fine.rows

    def estimate() -> Estimates:
        if valid[0] >= TEXTURED * reference.valid.shape[1]:
            both = found.where(moved, identity).scaled(factor)
            return Estimates(both, both)
        certain = better & (inliers > MIN_INLIERS_TEXTURELESS * valid)
        conservative = found.where(certain, _register_pixels(levels, ~certain)).scaled(factor)
        zoom = found.linear.abs().log().abs()
        plausible = inliers > (PERMISSIVE_INLIERS + PERMISSIVE_ZOOM * zoom) * valid
        if plausible.sum() - 1 <= PERMISSIVE_FRAMES * (t - 1):  # the middle frame is always one
            return Estimates(conservative, conservative)
        seen = better & (inliers > PERMISSIVE_INLIERS * valid)
        return Estimates(conservative, found.where(seen, identity).scaled(factor))

    return CameraMotion(t, motion_only, static_only, _static_fraction(fine, frames), estimate)


def pixel_aspect(images: Tensor, frames: Tensor, aspect: float | None) -> float:
    """Return the width of a pixel of images (… h w) over its height.

    Args:
        images: Resized frames.
        frames: Frames (t 3 h w) that they were resized from.
        aspect: Width over height of the frames as displayed; None if their pixels are square.
    """
    displayed = frames.shape[-1] / frames.shape[-2] if aspect is None else aspect
    return displayed * images.shape[-2] / images.shape[-1]


def check_clip(frames: Tensor, aspect: float | None) -> None:
    """Refuse frames or an aspect ratio that cannot be registered.

    Raises:
        ShapeError: The frames are not (t 3 h w) uint8.
        OptionError: The aspect ratio is out of range.
    """
    check_shape(frames, "t 3 h w", "frames")
    if frames.dtype != torch.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    if aspect is not None and not LEAST_ASPECT <= aspect <= MOST_ASPECT:
        raise OptionError(
            "aspect ratio out of range",
            where="aspect",
            got=repr(aspect),
            expected=f"{LEAST_ASPECT:g} to {MOST_ASPECT:g}",
        )


@dataclass(frozen=True, eq=False)
class _Level:
    """Pyramid level: grey images (t h w) and the width of their pixels over its height."""

    images: Tensor
    pixel: float

    @property
    def rows(self) -> int:
        return self.images.shape[1]

    def reference(self) -> Keypoints:
        """Return the keypoints of the middle image, repeated for each of the t images."""
        t = len(self.images)
        return detect_keypoints(self.images[[t // 2]], self.pixel).repeated(t)


def _register_keypoints(levels: Sequence[_Level]) -> Similarity:
    """Register each frame to the middle one by keypoints, in pixels of the finest level."""
    fine, *coarse = levels
    t = len(fine.images)
    identity = Similarity.identity(t)
    found = _chain(coarse[-1], coarse[-2], t // 2).scaled(fine.rows / coarse[-2].rows)
    for level in (*coarse[-2::-1], fine):
        reference, factor = level.reference(), level.rows / fine.rows
        initial = [found, identity] if level is coarse[-2] else [found]
        reached = [
            register(reference, level.images, one.scaled(factor), level.pixel, STEPS)
            for one in initial
        ]
        inliers = [
            _inliers(reference, level, one, INLIER_DISTANCE).sum(1)
            for one in (reached[0], reached[-1])
        ]
        found = reached[0].where(inliers[0] >= inliers[1], reached[-1]).scaled(1 / factor)
    return found


def _register_pixels(levels: Sequence[_Level], which: Tensor) -> Similarity:
    """Register some frames (t) bool by all pixels where that reduces the difference.

    Returns:
        Similarities (t) in pixels of the finest level; the identity for other frames.
    """
    rows, t = levels[0].rows, len(levels[0].images)
    every = Similarity.identity(t)
    some = [i for i in which.nonzero()[:, 0].tolist() if i != t // 2]
    if not some:
        return every
    found = identity = Similarity.identity(len(some))
    for level in levels[2:0:-1]:
        reference = all_pixels(level.images[[t // 2]], level.pixel).repeated(len(some))
        images, factor = level.images[some], level.rows / rows
        reached = register(reference, images, found.scaled(factor), level.pixel, PIXEL_STEPS)
        found = reached.scaled(1 / factor)
    registered, static = (
        mean_difference(reference, images, one, level.pixel) for one in (reached, identity)
    )  # (n) each, of the larger of the two levels
    better = found.where(registered < PIXEL_GAIN * static, identity)
    every.linear[some], every.shift[some] = better.linear, better.shift
    return every


def _inliers(reference: Keypoints, level: _Level, found: Similarity, distance: float) -> Tensor:
    """Return which keypoints are inliers: (t m) bool."""
    off = residuals(reference, level.images, found, level.pixel)
    return off < distance * level.rows  # false for NaN


def _static_fraction(fine: _Level, frames: Tensor) -> float:
    """Return the fraction of static keypoints in each of the most static fifth of frame pairs."""
    step = max(1, len(frames) // STATIC_FRAMES)
    images, frames = fine.images[::step], frames[::step]
    distance = STATIC_DISTANCE * min(1.0, STATIC_FRAMES / len(frames))
    # A repeated frame carries no information. Frames whose grey images differ need no comparison.
    differ = (images[1:] != images[:-1]).flatten(1).any(1).tolist()
    changed = torch.tensor(
        [i for i, d in enumerate(differ) if d or not torch.equal(frames[i], frames[i + 1])],
        dtype=torch.int64,
    )
    if not len(changed):
        return 1.0
    before, after = images[changed], images[changed + 1]
    reference = detect_keypoints(before, fine.pixel)
    identity = Similarity.identity(len(changed))
    static = _inliers(reference, _Level(after, fine.pixel), identity, distance).sum(1)
    fractions = static / reference.valid.sum(1).clamp_min(1)
    return float(fractions.sort(descending=True).values[max(1, len(changed) // 5) - 1])


def _chain(coarse: _Level, finer: _Level, middle: int) -> Similarity:
    """Chain the registrations of neighbouring frames, in pixels of the finer level: (t)."""
    t = len(coarse.images)
    near = torch.tensor([*range(middle, 0, -1), *range(middle, t - 1)])
    far = torch.tensor([*range(middle - 1, -1, -1), *range(middle + 1, t)])
    step = Similarity.identity(t - 1)
    for level in (coarse, finer):
        step = step.scaled(level.rows / coarse.rows if level is finer else 1.0)
        reference = detect_keypoints(level.images, level.pixel).of(near)
        step = register(reference, level.images[far], step, level.pixel, STEPS)
    found = [Similarity.identity(1)] * t
    for i, (a, b) in enumerate(zip(near.tolist(), far.tolist(), strict=True)):
        found[b] = step[i : i + 1].after(found[a])
    return Similarity(torch.cat([f.linear for f in found]), torch.cat([f.shift for f in found]))


def _pyramid(grey: Tensor) -> list[Tensor]:
    """Return smaller images (t h w), fine to coarse, each of mean 0 and standard deviation 1."""
    found = []
    for side in SIDES:
        grey = _pooled(grey, (min(side, grey.shape[1]), min(side, grey.shape[2])))
        deviation = grey.std((1, 2), keepdim=True).clamp_min(1.0)
        found.append((grey - grey.mean((1, 2), keepdim=True)) / deviation)
    return found


def _pooled(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images (t h w) of a size, in which each pixel is the mean of those that it covers.

    Sums of slices halve a side with the values of torch's pooling, in a fifth of its time.
    """
    if images.shape[1:] != (2 * size[0], 2 * size[1]):
        return functional.adaptive_avg_pool2d(images[:, None], size)[:, 0]
    upper, lower = images[:, ::2], images[:, 1::2]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4
