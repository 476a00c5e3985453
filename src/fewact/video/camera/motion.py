"""Camera motion of a clip: one similarity transform for each frame, and the log-odds of motion.

To stabilise a clip is to warp every frame to the view of the middle frame's camera.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from fewact.core.errors import OptionError, ShapeError
from fewact.core.shapes import check_shape
from fewact.video.camera import Stabilise, _native
from fewact.video.camera.registration import (
    Keypoints,
    Similarity,
    all_pixels,
    detect_keypoints,
    mean_difference,
    register,
    residuals,
    warp,
)
from fewact.video.cleaning.light import luma
from fewact.video.frame import SharedFrame, shared

FINEST, COARSEST, LEVELS = 112, 10, 4
"""Most rows and columns of the images of the finest level, fewest that are reached by halving, and
number of levels; each has half of the rows and columns of the one before."""


@dataclass(frozen=True, eq=False)
class Level:
    """Pyramid level: grey images (t h w) and the width of their pixels over its height."""

    images: Tensor
    pixel: float

    @property
    def rows(self) -> int:
        """Number of rows of an image."""
        return self.images.shape[1]

    def reference(self) -> Keypoints:
        """Return the keypoints of the middle image, repeated for each of the t images."""
        t = len(self.images)
        return detect_keypoints(self.images[[t // 2]], self.pixel).repeated(t)


class Pyramid:
    """Grey images of a clip in several sizes, each of mean 0 and standard deviation 1.

    ``pixel`` returns the width of a pixel of images (t h w) over its height.
    """

    def __init__(
        self, frames: Sequence[SharedFrame[Tensor]], pixel: Callable[[Tensor], float]
    ) -> None:
        self._frames, self._pixel = frames, pixel
        self.fine = self._level([frame.of(_fine) for frame in frames])

    @cached_property
    def levels(self) -> list[Level]:
        """Levels, fine to coarse; most static cameras need the first one alone."""
        coarse = zip(*(frame.of(_coarse) for frame in self._frames), strict=True)
        return [self.fine, *map(self._level, coarse)]

    def _level(self, images: Sequence[Tensor]) -> Level:
        level = torch.stack([*images])
        return Level(level, self._pixel(level))


def _fine_grey(frame: SharedFrame[Tensor]) -> Tensor:
    grey = frame.of(luma)
    return _pooled(grey, (min(FINEST, grey.shape[0]), min(FINEST, grey.shape[1])))


def _fine(frame: SharedFrame[Tensor]) -> Tensor:
    """Return the image (h w) of the finest level."""
    return _normalised(frame.of(_fine_grey))


def _coarse(frame: SharedFrame[Tensor]) -> list[Tensor]:
    """Return the images of the other levels."""
    images, grey = [], frame.of(_fine_grey)
    for _ in range(LEVELS - 1):
        grey = _pooled(grey, (_half(grey.shape[0]), _half(grey.shape[1])))
        images.append(_normalised(grey))
    return images


def _normalised(grey: Tensor) -> Tensor:
    centred = grey - grey.mean()
    # torch's deviation takes ten times as long.
    variance = centred.square().sum() / max(1, grey.numel() - 1)
    return centred / variance.sqrt().clamp_min(1.0)


def _half(side: int) -> int:
    """Return the number of rows or columns of the next level."""
    return max(min(side, COARSEST), side // 2)


def _pooled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return an image (h w) of a size, in which each pixel is the mean of those that it covers.

    Sums of slices halve a side with the values of torch's pooling, in a fifth of its time.
    """
    if image.shape == size:
        return image
    if image.shape != (2 * size[0], 2 * size[1]):
        return functional.adaptive_avg_pool2d(image[None], size)[0]
    upper, lower = image[::2], image[1::2]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4


STEPS = 6
"""Gauss–Newton steps for keypoints on each pyramid level."""

INLIER_DISTANCE = 1 / 224
"""Largest residual of an inlier keypoint, in frame heights."""

TEXTURED = 0.45
"""Fraction of the middle frame's blocks with a keypoint above which there is a textured background:
0.57 to 1 for indoor scenes, 0.11 to 0.31 for a black background, on development clips."""

MIN_INLIERS, MIN_INLIERS_TEXTURELESS = 0.4, 0.75
"""Smallest inlier ratio of a valid motion; after a cut, for example, the ratio is lower. On a
textureless background a person who squats has many inliers too, so that the limit is higher."""

PIXEL_STEPS = 10
"""Gauss–Newton steps for all pixels on each pyramid level."""

PIXEL_GAIN = 0.95
"""Registration by all pixels is used where it reduces a frame's difference to this factor."""

MOTION_GAIN = 1.05
"""A frame counts as moved if it has this factor more inliers than under a static camera."""

MOVED_RATIO, STATIC_RATE = 1.35, 4.5
"""The camera moved if (motion_only + PRIOR) / (static_only + PRIOR) is larger than MOVED_RATIO ·
exp(STATIC_RATE · static_fraction), see ``_log_odds``. Fitted on development clips; in some of
them, people squat, sit down and jog."""

LEAST_ASPECT, MOST_ASPECT = 0.05, 20.0
"""Aspect ratios between which the frames of a clip can be registered."""

PRIOR = 0.01
"""Added to both inlier fractions, which may be zero."""

LEAST_LOG_ODDS = -2.0
"""Smallest log-odds that the camera moved. Where even a motion that all keypoints followed would
have no larger ones, as of most tripods before a textured background, none is estimated."""

STATIC_DISTANCE, STATIC_FRAMES = 1 / 448, 16
"""A keypoint that moves less than this between neighbouring frames is static, in frame heights.
Chosen for clips of 16 frames; more of them have less motion between two."""


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
        """Return that of a static camera, of a number of frames."""
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
    frames: Tensor,
    *,
    aspect: float | None = None,
    known: Sequence[SharedFrame[Tensor]] | None = None,
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
        known: The same frames, with what was computed of them.
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


def pixel_aspect(images: Tensor, frames: Tensor, aspect: float | None) -> float:
    """Return the width of a pixel of images (… h w) over its height, see ``stabilise``.

    They were resized from frames (t 3 h w); without ``aspect`` these have square pixels.
    """
    displayed = frames.shape[-1] / frames.shape[-2] if aspect is None else aspect
    return displayed * images.shape[-2] / images.shape[-1]


def check_clip(frames: Tensor, aspect: float | None) -> None:
    """Refuse frames or an aspect ratio that cannot be registered."""
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
        # A motion has all keypoints as inliers at most, and counts where it gains enough of them.
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
        if valid[0] >= TEXTURED * self._reference.valid.shape[1]:
            return motion.where(self._moved, static).scaled(factor)
        certain = self._better & (self._of_motion.sum(1) > MIN_INLIERS_TEXTURELESS * valid)
        by_pixels = _register_pixels(self._pyramid.levels, ~certain)
        return motion.where(certain, by_pixels).scaled(factor)

    @cached_property
    def _found(self) -> Similarity:
        """Camera motion by keypoints (t), in pixels of the finest level."""
        return _register_keypoints(self._pyramid.levels)

    @cached_property
    def _of_motion(self) -> Tensor:
        """Which keypoints are inliers of the motion found: (t m) bool."""
        return self._inliers(self._found)

    @cached_property
    def _better(self) -> Tensor:
        """In which frames the motion has more inliers than a static camera: (t) bool."""
        gains = self._of_motion.sum(1) > MOTION_GAIN * self._of_static.sum(1)
        return gains & self._others

    @cached_property
    def _moved(self) -> Tensor:
        """In which frames it counts before a textured background: (t) bool."""
        return self._better & (self._of_motion.sum(1) > MIN_INLIERS * self._valid)

    @property
    def _others(self) -> Tensor:
        """Which frames are not the middle one: (t) bool."""
        return torch.arange(self._t) != self._t // 2

    def _inliers(self, motion: Similarity) -> Tensor:
        return _inliers(self._reference, self._fine, motion, INLIER_DISTANCE)

    def _fraction(self, which: Tensor) -> float:
        """Return the number of some keypoints as a fraction of all of the other frames."""
        return float(which.sum() / self._valid[self._others].sum().clamp_min(1))


def _log_odds(motion_only: float, static_only: float, static_fraction: float) -> float:
    """Return the log-odds that the camera moved.

    The fractions are those of the keypoints that are inliers of the estimated motion only, and of a
    static camera only.
    """
    ratio = (motion_only + PRIOR) / (static_only + PRIOR)
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
            register(reference, level.images, start.scaled(factor), level.pixel, STEPS)
            for start in initial
        ]
        inliers = [
            _inliers(reference, level, candidate, INLIER_DISTANCE).sum(1)
            for candidate in (reached[0], reached[-1])
        ]
        motion = reached[0].where(inliers[0] >= inliers[1], reached[-1]).scaled(1 / factor)
        initial = [motion]
    return motion


def _register_pixels(levels: Sequence[Level], which: Tensor) -> Similarity:
    """Register some frames (t) bool by all pixels where that reduces the difference.

    Other frames get the identity. Lengths are pixels of the finest level.
    """
    rows, t = levels[0].rows, len(levels[0].images)
    result = Similarity.identity(t)
    indices = [i for i in which.nonzero()[:, 0].tolist() if i != t // 2]
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


def _inliers(reference: Keypoints, level: Level, motion: Similarity, distance: float) -> Tensor:
    """Return which keypoints are inliers: (t m) bool."""
    off = residuals(reference, level.images, motion, level.pixel)
    return off < distance * level.rows  # false for NaN


def _static_fraction(fine: Level, frames: Tensor) -> float:
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
    static = _inliers(reference, Level(after, fine.pixel), identity, distance).sum(1)
    fractions = static / reference.valid.sum(1).clamp_min(1)
    return float(fractions.sort(descending=True).values[max(1, len(changed) // 5) - 1])


def _chain(coarse: Level, finer: Level, middle: int) -> Similarity:
    """Chain the registrations of neighbouring frames, in pixels of the finer level: (t)."""
    t = len(coarse.images)
    near = torch.tensor([*range(middle, 0, -1), *range(middle, t - 1)])
    far = torch.tensor([*range(middle - 1, -1, -1), *range(middle + 1, t)])
    step = Similarity.identity(t - 1)
    for level, factor in ((coarse, 1.0), (finer, finer.rows / coarse.rows)):
        step = step.scaled(factor)
        reference = detect_keypoints(level.images, level.pixel).of(near)
        step = register(reference, level.images[far], step, level.pixel, STEPS)
    motions = [Similarity.identity(1)] * t
    for i, (a, b) in enumerate(zip(near.tolist(), far.tolist(), strict=True)):
        motions[b] = step.of(slice(i, i + 1)).after(motions[a])
    return Similarity(torch.cat([f.linear for f in motions]), torch.cat([f.shift for f in motions]))


def stabilise(frames: Tensor, mode: Stabilise = "auto", *, aspect: float | None = None) -> Tensor:
    """Warp all frames of a clip to the view of the middle frame.

    Pixels outside a frame are filled with the mean over the frames that cover them.

    Args:
        frames: Clip (t 3 h w), uint8, RGB.
        mode: ``on``; ``auto``: only if the camera moved, rather than what it recorded; ``off``.
        aspect: Width over height of the frames before they were resized without keeping the aspect
            ratio, such as 4/3; None if the ratio is unchanged.

    Returns:
        Frames (t 3 h w), uint8; the same tensor if they stay as they are.
    """
    check_clip(frames, aspect)
    motion = removed_motion(mode, lambda: estimate_camera_motion(frames, aspect=aspect))
    return frames if motion is None else without_motion(frames, motion, aspect)


def removed_motion(mode: Stabilise, motion: Callable[[], CameraMotion]) -> Similarity | None:
    """Return the camera motion (t) that a mode removes from a clip; None if the frames stay.

    The motion is estimated only if the mode needs it.
    """
    if mode not in get_args(Stabilise):
        raise OptionError(
            "unknown mode",
            where="stabilise",
            got=repr(mode),
            expected=", ".join(get_args(Stabilise)),
        )
    if mode == "off":
        return None
    estimates = motion()
    if mode != "on" and not estimates.moved:
        return None
    return estimates.motion


def without_motion(frames: Tensor, motion: Similarity, aspect: float | None = None) -> Tensor:
    """Warp frames (t 3 h w) uint8 by a known camera motion, see ``stabilise``.

    Returns the same tensor if the motion is the identity.
    """
    moved = ~motion.is_identity
    if not moved.any():
        return frames
    size, pixel = (frames.shape[-2], frames.shape[-1]), pixel_aspect(frames, frames, aspect)
    if _native.computes(frames, motion.linear):
        return _native.warp_frames(frames, motion, pixel)
    warped, inside = warp(frames.float(), motion, size, pixel=pixel)  # (t 3 h w), (t h w)
    covers = inside[:, None].to(warped)
    mean = (warped * covers).sum(0) / covers.sum(0)  # the middle frame covers every pixel
    filled = torch.where(inside[:, None], warped, mean).round().clamp(0, 255).to(torch.uint8)
    return torch.where(moved[:, None, None, None], filled, frames)
