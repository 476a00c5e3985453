"""Camera motion of a clip: one similarity transform for each frame, and the log-odds of motion.

To stabilise a clip is to warp every frame to the view of the middle frame's camera.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import OptionError, ShapeError, check_choice
from fewact.video.camera import Stabilise, _native
from fewact.video.camera.registration import (
    Keypoints,
    Mask,
    Similarity,
    all_pixels,
    detect_keypoints,
    joined,
    mean_difference,
    register,
    residuals,
    warp,
)
from fewact.video.cleaning.light import Grey, luma
from fewact.video.frame import SharedFrame, shared
from fewact.video.pooling import mean_parts, totals
from fewact.video.resizing import channels_last, planes

Frames = NDArray[np.uint8]
Frame = SharedFrame[Frames]

FINEST_SIDE = 112
"""Most rows and columns of the images of the finest level."""

COARSEST_SIDE = 10
"""Fewest rows and columns that are reached by halving."""

PYRAMID_LEVELS = 4
"""Number of levels; each has half of the rows and columns of the one before."""


@dataclass(frozen=True, eq=False)
class Level:
    """Pyramid level: grey images (t h w) and the width of their pixels over its height."""

    images: Grey
    pixel: float

    @property
    def rows(self) -> int:
        """Number of rows of an image."""
        return int(self.images.shape[1])

    def reference(self) -> Keypoints:
        """Return the keypoints of the middle image, repeated for each of the t images."""
        t = len(self.images)
        return detect_keypoints(self.images[[t // 2]], self.pixel).repeated(t)


class Pyramid:
    """Grey images of a clip in several sizes, each of mean 0 and standard deviation 1.

    ``pixel`` returns the width of a pixel of images (t h w) over its height.
    """

    def __init__(self, frames: Sequence[Frame], pixel: Callable[[Grey], float]) -> None:
        self._frames, self._pixel = frames, pixel
        self.fine = self._level([frame.of(_fine) for frame in frames])

    @cached_property
    def levels(self) -> list[Level]:
        """Levels, fine to coarse; most static cameras need the first one alone."""
        coarse = zip(*(frame.of(_coarse) for frame in self._frames), strict=True)
        return [self.fine, *map(self._level, coarse)]

    def _level(self, images: Sequence[Grey]) -> Level:
        level = np.stack(images)
        return Level(level, self._pixel(level))


def _fine_grey(frame: Frame) -> Grey:
    grey = frame.of(luma)
    return _pooled(grey, (min(FINEST_SIDE, grey.shape[0]), min(FINEST_SIDE, grey.shape[1])))


def _fine(frame: Frame) -> Grey:
    """Return the image (h w) of the finest level."""
    return _normalised(frame.of(_fine_grey))


def _coarse(frame: Frame) -> list[Grey]:
    """Return the images of the other levels."""
    images, grey = [], frame.of(_fine_grey)
    for _ in range(PYRAMID_LEVELS - 1):
        grey = _pooled(grey, (_half(grey.shape[0]), _half(grey.shape[1])))
        images.append(_normalised(grey))
    return images


def _normalised(grey: Grey) -> Grey:
    mean = totals(grey.reshape(1, -1)) / np.float32(grey.size)
    centred: Grey = grey - mean
    variance = totals(np.square(centred).reshape(1, -1)) / np.float32(max(1, grey.size - 1))
    deviation: Grey = np.maximum(np.sqrt(variance), 1)
    return centred / deviation


def _half(side: int) -> int:
    """Return the number of rows or columns of the next level."""
    return max(min(side, COARSEST_SIDE), side // 2)


def _pooled(image: Grey, size: tuple[int, int]) -> Grey:
    """Return an image (h w) resized to a size by area averaging."""
    if image.shape == size:
        return image
    if image.shape != (2 * size[0], 2 * size[1]):
        return mean_parts(image, size)
    upper, lower = image[::2], image[1::2]
    sums: Grey = upper[:, ::2] + upper[:, 1::2] + lower[:, ::2] + lower[:, 1::2]
    return sums / np.float32(4)


KEYPOINT_STEPS = 6
"""Gauss–Newton steps for keypoints on each pyramid level."""

INLIER_DISTANCE = 1 / 224
"""Largest residual of an inlier keypoint, in frame heights."""

TEXTURED_FRACTION = 0.45
"""Fraction of the middle frame's blocks with a keypoint above which there is a textured background:
0.57 to 1 for indoor scenes, 0.11 to 0.31 for a black background, on development clips."""

MIN_INLIER_RATIO = 0.4
"""Smallest inlier ratio of a valid motion; after a cut, for example, the ratio is lower."""

MIN_INLIER_RATIO_TEXTURELESS = 0.75
"""Smallest inlier ratio on a textureless background, where a person who squats has many inliers."""

PIXEL_STEPS = 10
"""Gauss–Newton steps for all pixels on each pyramid level."""

PIXEL_GAIN = 0.95
"""Registration by all pixels is used where it reduces a frame's difference to this factor."""

MOTION_GAIN = 1.05
"""A frame counts as moved if it has this factor more inliers than under a static camera."""

MOVED_RATIO = 1.35
"""The camera moved if (motion_only + INLIER_PRIOR) / (static_only + INLIER_PRIOR) is larger than
MOVED_RATIO · exp(STATIC_RATE · static_fraction), see ``_log_odds``. Fitted on development clips; in
some of them, people squat, sit down and jog."""

STATIC_RATE = 4.5
"""Rate of the static fraction in that limit."""

LEAST_ASPECT = 0.05
"""Smallest aspect ratio at which the frames of a clip can be registered."""

MOST_ASPECT = 20.0
"""Largest aspect ratio at which the frames of a clip can be registered."""

INLIER_PRIOR = 0.01
"""Added to both inlier fractions, which may be zero."""

LEAST_LOG_ODDS = -2.0
"""Smallest log-odds that the camera moved. No motion is estimated if not even a motion that all
keypoints follow could exceed them. This is so for most tripods before a textured background."""

STATIC_DISTANCE = 1 / 448
"""A keypoint that moves less than this between neighbouring frames is static, in frame heights."""

STATIC_FRAMES = 16
"""Number of frames of a clip for which ``STATIC_DISTANCE`` was chosen. Neighbours in a longer clip
move less."""


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Camera motion of a clip.

    Args:
        log_odds: Log-odds that the camera moved, at least ``LEAST_LOG_ODDS``; negative for a static
            camera.
        static_fraction: Fraction of the keypoints that do not move in each of the most static
            fifth of the frame pairs.
        estimate: Computes ``motion`` when it is first needed: the frames of a static camera do not
            need it.
    """

    log_odds: float
    static_fraction: float
    estimate: Callable[[], Similarity]

    @staticmethod
    def static(count: int) -> "CameraMotion":
        """Return the motion of a static camera for a number of frames."""
        return CameraMotion(LEAST_LOG_ODDS, 1.0, partial(Similarity.identity, count))

    @cached_property
    def motion(self) -> Similarity:
        """Similarities (t) from positions in the middle frame to positions in each frame.

        The identity where no motion was found.
        """
        return self.estimate()

    @property
    def moved(self) -> bool:
        """Whether the camera moved."""
        return self.log_odds > 0


def estimate_camera_motion(
    frames: Frames,
    *,
    aspect: float | None = None,
    known: Sequence[Frame] | None = None,
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
        known: The same frames, with values computed before.
    """
    check_clip(frames, aspect)
    t, height = len(frames), frames.shape[-2]
    if t == 1:
        return CameraMotion.static(t)
    pyramid = Pyramid(known or shared(frames), lambda images: pixel_aspect(images, frames, aspect))
    registration = _Registration(pyramid)
    static_fraction = _static_fraction(pyramid.fine, frames)
    log_odds = registration.log_odds(static_fraction)
    factor = height / pyramid.fine.rows
    return CameraMotion(log_odds, static_fraction, lambda: registration.estimate(factor))


def pixel_aspect(images: NDArray[Any], frames: Frames, aspect: float | None) -> float:
    """Return the width of a pixel of images (… h w) over its height, see ``stabilise``.

    They were resized from frames (t 3 h w); without ``aspect`` these have square pixels.
    """
    (rows, columns), (height, width) = images.shape[-2:], frames.shape[-2:]
    displayed: float = width / height if aspect is None else aspect
    return float(displayed * rows / columns)


def check_clip(frames: Frames, aspect: float | None) -> None:
    """Refuse frames or an aspect ratio that cannot be registered."""
    check_shape(frames, "t 3 h w", "frames")
    if frames.dtype != np.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    if aspect is not None and not LEAST_ASPECT <= aspect <= MOST_ASPECT:
        raise OptionError(
            "aspect ratio out of range",
            where="aspect",
            got=repr(aspect),
            expected=f"{LEAST_ASPECT:g} to {MOST_ASPECT:g}",
        )


class _Registration:
    """Registration of each frame to the middle one, by keypoints of the finest level."""

    def __init__(self, pyramid: Pyramid) -> None:
        self._pyramid, self._fine = pyramid, pyramid.fine
        self._t = len(self._fine.images)
        self._static = Similarity.identity(self._t)
        self._reference = self._fine.reference()
        self._valid = self._reference.valid.sum(1)  # (t)
        self._of_static = self._inliers(self._static)

    def log_odds(self, static_fraction: float) -> float:
        """Return the log-odds that the camera moved, see ``CameraMotion``."""
        # A motion has at most all keypoints as inliers, and counts where it gains enough of them.
        possible = self._others & (self._valid > MOTION_GAIN * self._of_static.sum(1))
        static_missed = (self._reference.valid & ~self._of_static)[possible]
        if _log_odds(self._fraction(static_missed), 0.0, static_fraction) <= LEAST_LOG_ODDS:
            return LEAST_LOG_ODDS
        motion_only = (self._of_motion & ~self._of_static)[self._moved]
        static_only = (self._of_static & ~self._of_motion)[self._moved]
        odds = _log_odds(self._fraction(motion_only), self._fraction(static_only), static_fraction)
        return max(LEAST_LOG_ODDS, odds)

    def estimate(self, factor: float) -> Similarity:
        """Return the camera motion, in pixels of ``factor`` times the finest level's rows."""
        motion, static, valid = self._found, self._static, self._valid
        if valid[0] >= TEXTURED_FRACTION * self._reference.valid.shape[1]:
            return motion.where(self._moved, static).scaled(factor)
        certain = self._better & (self._of_motion.sum(1) > MIN_INLIER_RATIO_TEXTURELESS * valid)
        by_pixels = _register_pixels(self._pyramid.levels, ~certain)
        return motion.where(certain, by_pixels).scaled(factor)

    @cached_property
    def _found(self) -> Similarity:
        """Camera motion by keypoints (t), in pixels of the finest level."""
        return _register_keypoints(self._pyramid.levels)

    @cached_property
    def _of_motion(self) -> Mask:
        """Which keypoints are inliers of the motion found: (t m) bool."""
        return self._inliers(self._found)

    @cached_property
    def _better(self) -> Mask:
        """In which frames the motion has more inliers than a static camera: (t) bool."""
        gains: Mask = self._of_motion.sum(1) > MOTION_GAIN * self._of_static.sum(1)
        return gains & self._others

    @cached_property
    def _moved(self) -> Mask:
        """In which frames it counts before a textured background: (t) bool."""
        moved: Mask = self._better & (self._of_motion.sum(1) > MIN_INLIER_RATIO * self._valid)
        return moved

    @property
    def _others(self) -> Mask:
        """Which frames are not the middle one: (t) bool."""
        others: Mask = np.arange(self._t) != self._t // 2
        return others

    def _inliers(self, motion: Similarity) -> Mask:
        return _inliers(self._reference, self._fine, motion, INLIER_DISTANCE)

    def _fraction(self, which: Mask) -> float:
        """Return the number of some keypoints as a fraction of all of the other frames."""
        return float(which.sum() / max(1, self._valid[self._others].sum()))


def _log_odds(motion_only: float, static_only: float, static_fraction: float) -> float:
    """Return the log-odds that the camera moved.

    Args:
        motion_only: Fraction of keypoints that are inliers of the estimated motion only.
        static_only: Fraction of keypoints that are inliers of a static camera only.
        static_fraction: See ``CameraMotion``.
    """
    ratio = (motion_only + INLIER_PRIOR) / (static_only + INLIER_PRIOR)
    return math.log(ratio / MOVED_RATIO) - STATIC_RATE * static_fraction


def _register_keypoints(levels: Sequence[Level]) -> Similarity:
    """Register each frame to the middle one by keypoints, in pixels of the finest level."""
    fine, *coarse = levels
    t = len(fine.images)
    identity = Similarity.identity(t)
    motion = _chain(coarse[-1], coarse[-2], t // 2).scaled(fine.rows / coarse[-2].rows)
    initial = [motion, identity]  # on the first of these levels only
    for level in (*coarse[-2::-1], fine):
        reference, factor = level.reference(), level.rows / fine.rows
        reached = [
            register(reference, level.images, start.scaled(factor), level.pixel, KEYPOINT_STEPS)
            for start in initial
        ]
        inliers = [
            _inliers(reference, level, candidate, INLIER_DISTANCE).sum(1)
            for candidate in (reached[0], reached[-1])
        ]
        motion = reached[0].where(inliers[0] >= inliers[1], reached[-1]).scaled(1 / factor)
        initial = [motion]
    return motion


def _register_pixels(levels: Sequence[Level], which: Mask) -> Similarity:
    """Register some frames (t) bool by all pixels where that reduces the difference.

    Other frames get the identity. Lengths are pixels of the finest level.
    """
    rows, t = levels[0].rows, len(levels[0].images)
    result = Similarity.identity(t)
    indices = [i for i in np.flatnonzero(which).tolist() if i != t // 2]
    if not indices:
        return result
    motion = identity = Similarity.identity(len(indices))
    for level in levels[2:0:-1]:
        reference = all_pixels(level.images[[t // 2]], level.pixel).repeated(len(indices))
        images, factor = level.images[indices], level.rows / rows
        reached = register(reference, images, motion.scaled(factor), level.pixel, PIXEL_STEPS)
        motion = reached.scaled(1 / factor)
    registered, static = (
        mean_difference(reference, images, motion, level.pixel) for motion in (reached, identity)
    )  # (n) each, of the larger of the two levels
    better = motion.where(registered < PIXEL_GAIN * static, identity)
    result.linear[indices], result.shift[indices] = better.linear, better.shift
    return result


def _inliers(reference: Keypoints, level: Level, motion: Similarity, distance: float) -> Mask:
    """Return which keypoints are inliers: (t m) bool."""
    off = residuals(reference, level.images, motion, level.pixel)
    inside: Mask = off < distance * level.rows  # false for NaN
    return inside


def _static_fraction(fine: Level, frames: Frames) -> float:
    """Return the fraction of static keypoints in each of the most static fifth of frame pairs."""
    step = max(1, len(frames) // STATIC_FRAMES)
    images, frames = fine.images[::step], frames[::step]
    distance = STATIC_DISTANCE * min(1.0, STATIC_FRAMES / len(frames))
    # A repeated frame carries no information. Frames whose grey images differ need no comparison.
    differ = (images[1:] != images[:-1]).any((1, 2)).tolist()
    changed = np.array(
        [i for i, d in enumerate(differ) if d or not np.array_equal(frames[i], frames[i + 1])],
        np.int64,
    )
    if not len(changed):
        return 1.0
    before, after = images[changed], images[changed + 1]
    reference = detect_keypoints(before, fine.pixel)
    identity = Similarity.identity(len(changed))
    static = _inliers(reference, Level(after, fine.pixel), identity, distance).sum(1)
    fractions = np.sort(static / np.maximum(1, reference.valid.sum(1)))[::-1]
    return float(fractions[max(1, len(changed) // 5) - 1])


def _chain(coarse: Level, finer: Level, middle: int) -> Similarity:
    """Chain the registrations of neighbouring frames, in pixels of the finer level: (t)."""
    t = len(coarse.images)
    near = np.array([*range(middle, 0, -1), *range(middle, t - 1)], np.int64)
    far = np.array([*range(middle - 1, -1, -1), *range(middle + 1, t)], np.int64)
    step = Similarity.identity(t - 1)
    for level, factor in ((coarse, 1.0), (finer, finer.rows / coarse.rows)):
        step = step.scaled(factor)
        reference = detect_keypoints(level.images, level.pixel).of(near)
        step = register(reference, level.images[far], step, level.pixel, KEYPOINT_STEPS)
    motions = [Similarity.identity(1)] * t
    for i, (a, b) in enumerate(zip(near.tolist(), far.tolist(), strict=True)):
        motions[b] = step.of(slice(i, i + 1)).after(motions[a])
    return joined(motions)


def stabilise(frames: Frames, mode: Stabilise = "auto", *, aspect: float | None = None) -> Frames:
    """Warp all frames of a clip to the view of the middle frame.

    Pixels outside a frame are filled with the mean over the frames that cover them.

    Args:
        frames: Clip (t 3 h w), uint8, RGB.
        mode: ``on``; ``auto``, only if the camera moved and not only the subjects; ``off``.
        aspect: Width over height of the frames before they were resized without keeping the aspect
            ratio, such as 4/3; None if the ratio is unchanged.

    Returns:
        Frames (t 3 h w), uint8; the same array if they stay as they are.
    """
    check_clip(frames, aspect)
    motion = removed_motion(mode, lambda: estimate_camera_motion(frames, aspect=aspect))
    return frames if motion is None else without_motion(frames, motion, aspect)


def removed_motion(mode: Stabilise, motion: Callable[[], CameraMotion]) -> Similarity | None:
    """Return the camera motion (t) that a mode removes from a clip; None if the frames stay.

    The motion is estimated only if the mode needs it.
    """
    check_choice(mode, get_args(Stabilise), "stabilise")
    if mode == "off":
        return None
    estimates = motion()
    return estimates.motion if mode == "on" or estimates.moved else None


def without_motion(frames: Frames, motion: Similarity, aspect: float | None = None) -> Frames:
    """Warp frames (t 3 h w) uint8 by a known camera motion, see ``stabilise``.

    Returns the same array if the motion is the identity.
    """
    moved = ~motion.is_identity
    if not moved.any():
        return frames
    size, pixel = (frames.shape[-2], frames.shape[-1]), pixel_aspect(frames, frames, aspect)
    if _native.computes(frames, motion.linear):
        return planes(_native.warp_frames(channels_last(frames), motion, pixel))
    # (t 3 h w), (t h w)
    warped, inside = warp(frames.astype(np.float32), motion, size, pixel=pixel)
    covers = inside[:, None]
    mean = (warped * covers).sum(0) / np.maximum(1, covers.sum(0))
    filled = np.where(covers, warped, mean).round().clip(0, 255).astype(np.uint8)
    return np.where(moved[:, None, None, None], filled, frames)
