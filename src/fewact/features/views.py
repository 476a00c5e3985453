"""Views of a clip: its frames as requests need them, stabilised, small, or their changes.

A network sees outlines of a person in small frames, 64 pixels high, too, for a ninth of the time.
Images of differences show movement alone, whatever the clothes and the background. Their red, green
and blue are absolute differences of two neighbouring grey frames: of the two frames before a frame,
of the frame and its predecessor, and of the frame and its successor. So a network for photographs
sees outlines of movement, and their colours say where it goes. A change of the light is no movement
and is removed first. Both run through the first blocks of the network only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.data.joints import parse_joints
from fewact.features.request import IMAGE_HEIGHT, Request, View, image_size
from fewact.networks import Level
from fewact.video.camera.motion import (
    LEAST_ASPECT,
    MOST_ASPECT,
    CameraMotion,
    estimate_camera_motion,
    removed_motion,
    without_motion,
)
from fewact.video.camera.registration import Similarity
from fewact.video.cleaning.light import luma, same_light
from fewact.video.frame import SharedFrame, shared
from fewact.video.resizing import channels_last, planes, resized, resized_planes

DIFFERENCE_GAIN = 3.0
"""Factor of the differences: most are far below 255."""

NEIGHBOURING_CHANGES = 4
"""Number of changes before and after a frame that its own is compared with."""

REPEAT_RATIO = 0.15
"""Largest ratio of the change of a repeated frame to the greatest change on either side."""

LEAST_REPEATED = 0.3
"""Smallest fraction of repeated frames. Fewer hardly make motion less even, and stay."""


Pixels = NDArray[np.uint8]
"""Frames (n 3 H W), or one (3 H W); in memory the channels are last, as in a video."""

Flags = NDArray[np.bool_]

Grey = NDArray[np.float32]

Frames = Pixels | Sequence[SharedFrame[Pixels]]
"""Frames (n 3 H W) uint8; overlapping clips share what is computed of them."""


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames that run through the network together, or the value of a request without a network.

    Args:
        frames: Frames (n 3 H W) uint8; the value itself where no level is requested.
        requests: Requests of their features.
    """

    frames: NDArray[Any]
    requests: tuple[Request, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that are requested of the frames, each once."""
        levels = (request.level for request in self.requests)
        return tuple(dict.fromkeys(level for level in levels if level is not None))


@dataclass(frozen=True)
class Shown:
    """Content of a view: views with equal values show equal frames.

    Args:
        count: Number of frames n.
        stabilised: Shifts and linear parts (n) of the camera motion that is removed from them;
            empty if they stay as they were decoded.
        motion: The same motion, to remove it.
    """

    count: int
    stabilised: tuple[complex, ...] = ()
    motion: Similarity | None = field(default=None, compare=False)


class Views:
    """Views of one clip; each is computed when a request first needs it.

    Camera motion is estimated in halved frames, and small frames and images of differences are
    made of these. Frames that repeat others are replaced there, see ``without_repeats``.

    Args:
        decoded: Resized frames (n 3 H W) uint8, by their number n.
        aspect: Width over height of what the frames show, before they were resized; of a narrower
            strip the narrowest aspect that can be registered is taken.
        frames_per_slot: Number of input frames of a slot, see the backbone's card.
        halves: Their halved frames, by their number n, if they are known already: windows of a
            recording share what is computed of them.
        again: Which of them (n) are the frame before, chosen again, by their number n; None if none
            is. A clip of fewer frames than n has such ones; a correction may make them unequal.
        static: Whether the camera is known to be static; its motion is not estimated.
        joints: Joints (t d) of the body beside the frames, by their number n; None without.
    """

    def __init__(
        self,
        decoded: Mapping[int, Pixels],
        aspect: float,
        frames_per_slot: int = 1,
        *,
        halves: Mapping[int, Sequence[SharedFrame[Pixels]]] | None = None,
        again: Mapping[int, Flags] | None = None,
        static: bool = False,
        joints: Mapping[int, NDArray[np.float32]] | None = None,
    ) -> None:
        self._static = static
        self._joints = joints or {}
        self._decoded, self._frames_per_slot = decoded, frames_per_slot
        self._halves = dict(halves or {})
        self._stacked: dict[int, Pixels] = {}
        self._again = again or {}
        self._aspect = min(max(aspect, LEAST_ASPECT), MOST_ASPECT)
        self._motion: dict[int, CameraMotion] = {}
        self._repeated: dict[int, Flags] = {}
        self._stabilised: dict[Shown, Pixels] = {}
        self._even: dict[Shown, Sequence[SharedFrame[Pixels]]] = {}
        self._small: dict[Shown, Pixels] = {}
        self._differences: dict[Shown, Pixels] = {}

    def inputs(self, requests: Sequence[Request]) -> list[FrameBatch]:
        """Return what requests need; equal types of requests share frames of equal views."""
        batches: dict[object, list[Request]] = {}
        for request in requests:
            shared = request.level and (request.images, self.shown(request.view))
            batches.setdefault(shared or request, []).append(request)
        return [FrameBatch(alike[0].prepare(self), tuple(alike)) for alike in batches.values()]

    def shown(self, view: View) -> Shown:
        """Return what a view shows."""
        count = view.frames * self._frames_per_slot
        motion = removed_motion(view.stabilise, lambda: self._motion_of(count))
        if motion is None or bool(motion.is_identity.all()):
            return Shown(count)
        return Shown(count, (*motion.shift.tolist(), *motion.linear.tolist()), motion)

    def frames(self, view: View) -> Pixels:
        """Return the frames (n 3 H W) uint8 of a view."""
        shown = self.shown(view)
        if shown.motion is None:
            return self._decoded[shown.count]
        if shown not in self._stabilised:
            self._stabilised[shown] = self._without_motion(self._decoded[shown.count], shown.motion)
        return self._stabilised[shown]

    def small_frames(self, view: View) -> Pixels:
        """Return small frames (n 3 h w) uint8 of a view."""
        shown = self.shown(view)
        if shown not in self._small:
            self._small[shown] = small_frames(self._even_frames(shown))
        return self._small[shown]

    def difference_images(self, view: View) -> Pixels:
        """Return images (n 3 h w) uint8 of what changes in a view."""
        shown = self.shown(view)
        if shown not in self._differences:
            self._differences[shown] = difference_images(self._even_frames(shown))
        return self._differences[shown]

    def camera_log_odds(self, view: View) -> NDArray[np.float32]:
        """Return the log-odds (1) that the camera moved in the frames of a view."""
        log_odds = self._motion_of(view.frames * self._frames_per_slot).log_odds
        return np.array([log_odds], np.float32)

    def joints(self, view: View, layout: str) -> NDArray[np.float32]:
        """Return the joints (t d) at the times of a view's frames; zeros where there are none."""
        joints = self._joints.get(view.frames * self._frames_per_slot)
        if joints is None:
            return np.zeros((view.frames, parse_joints(layout).width), np.float32)
        return joints

    def _even_frames(self, shown: Shown) -> Sequence[SharedFrame[Pixels]]:
        """Return halved frames that move evenly."""
        if shown not in self._even:
            repeated = self._repeated_of(shown.count)
            if shown.motion is None and not repeated.any():
                return self._halved_of(shown.count)
            halves = self._stacked_halves(shown.count)
            if shown.motion is not None:
                halves = self._without_motion(halves, shown.motion)
            self._even[shown] = shared(without_repeats(halves, repeated))
        return self._even[shown]

    def _without_motion(self, frames: Pixels, motion: Similarity) -> Pixels:
        factor = frames.shape[-2] / self._halved_of(len(frames))[0].image.shape[-2]
        return without_motion(frames, motion.scaled(factor), self._aspect)

    def _motion_of(self, n: int) -> CameraMotion:
        if self._static:
            return CameraMotion.static(n)
        if n not in self._motion:
            self._motion[n] = estimate_camera_motion(
                self._stacked_halves(n), aspect=self._aspect, known=self._halved_of(n)
            )
        return self._motion[n]

    def _halved_of(self, n: int) -> Sequence[SharedFrame[Pixels]]:
        if n not in self._halves:
            self._halves[n] = shared(halved(self._decoded[n]))
        return self._halves[n]

    def _stacked_halves(self, n: int) -> Pixels:
        if n not in self._stacked:
            self._stacked[n] = stacked([frame.image for frame in self._halved_of(n)])
        return self._stacked[n]

    def _repeated_of(self, n: int) -> Flags:
        if n not in self._repeated:
            repeated = repeats(self._halved_of(n))
            self._repeated[n] = repeated | self._again[n] if n in self._again else repeated
        return self._repeated[n]


def stacked(frames: Sequence[Pixels]) -> Pixels:
    """Return frames (3 h w) as (t 3 h w), with the channels last in memory."""
    return planes(np.stack([channels_last(frame) for frame in frames]))


def halved(frames: Pixels) -> Pixels:
    """Return frames (n 3 H W) uint8 of half the size, unless small frames are larger than that.

    A pixel is the mean of four.
    """
    height, width = (side // 2 for side in frames.shape[-2:])
    if height < IMAGE_HEIGHT:
        return frames
    return planes(resized(channels_last(frames), (height, max(1, width)), antialias=False))


def repeats(frames: Frames) -> Flags:
    """Return which frames (n 3 H W) repeat the frame before: (n) bool; none if repeats are few.

    An equal frame is a repeat. An encoder changes repeats a little, but much less than their
    neighbours before and after. Frames of a static person change so little at the ends of a
    movement only.
    """
    repeated = np.zeros(len(frames), np.bool_)
    if len(frames) < 2:
        return repeated
    pairs = [*pairwise(shared(frames))]
    change = np.array([first.with_later(second, _mean_change) for first, second in pairs])
    equal = [
        difference == 0 and np.array_equal(first.image, second.image)
        for (first, second), difference in zip(pairs, change, strict=True)
    ]
    padded = np.pad(change, NEIGHBOURING_CHANGES)
    greatest = np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURING_CHANGES).max(1)
    before, after = greatest[: len(change)].copy(), greatest[-len(change) :].copy()
    before[0], after[-1] = after[0], before[-1]  # nothing is known of the other side
    repeated[1:] = equal | (change < REPEAT_RATIO * np.minimum(before, after))
    return repeated if repeated[1:].mean() >= LEAST_REPEATED else np.zeros_like(repeated)


def _mean_change(before: SharedFrame[Pixels], after: SharedFrame[Pixels]) -> float:
    change = after.of(luma) - before.of(luma)
    return float(np.abs(change, out=change).mean())


def without_repeats(frames: Pixels, repeated: Flags) -> Pixels:
    """Return frames (n …) uint8 in which repeated frames change evenly to the next frame.

    A video of a low frame rate that was saved at a higher rate repeats frames: a moving object
    stops, and then jumps. ``repeated`` (n) says which frames repeat others. Repeats at the end
    stay.
    """
    if not repeated.any():
        return frames
    even, first = frames.copy(order="K"), 0
    for last in np.flatnonzero(~repeated).tolist():
        for i in range(first + 1, last):
            even[i] = _between(frames[first], frames[last], (i - first) / (last - first))
        first = last
    return even


def _between(first: Pixels, last: Pixels, part: float) -> Grey:
    """Return an image at a part of the way from one to another; levels are integers."""
    change = last.astype(np.float32) - first
    change *= part
    return np.asarray(np.rint(np.add(first, change, out=change), out=change))


def small_frames(frames: Frames) -> Pixels:
    """Return frames (n 3 H W) uint8 in a smaller size: (n 3 h w) uint8, see ``image_size``."""
    return stacked([frame.of(_small) for frame in shared(frames)])


def _small(frame: SharedFrame[Pixels]) -> Pixels:
    image = channels_last(frame.image)
    return planes(resized(image, image_size(*image.shape[:2])))


def difference_images(frames: Frames) -> Pixels:
    """Return images (n 3 h w) uint8 of the changes around each of the frames (n 3 H W).

    The frames are in the order of time. A pair beyond either end has no differences.
    """
    shared_frames = shared(frames)
    grey = np.stack([frame.of(luma) for frame in shared_frames])
    evenly_lit = same_light(grey)
    if evenly_lit is None:
        changes = [before.with_later(after, _change) for before, after in pairwise(shared_frames)]
    else:
        changes = [_small_change(before, after) for before, after in pairwise(evenly_lit)]
    levels = np.zeros((len(grey) + 3, *image_size(*grey.shape[-2:])), np.uint8)  # (n+3 h w)
    if changes:
        differences = np.stack(changes)
        differences *= DIFFERENCE_GAIN
        levels[2:-2] = np.rint(differences, out=differences).clip(0, 255)
    return np.stack([levels[i : i + len(grey)] for i in range(3)], 1)


def _change(before: SharedFrame[Pixels], after: SharedFrame[Pixels]) -> Grey:
    return _small_change(before.of(luma), after.of(luma))


def _small_change(before: Grey, after: Grey) -> Grey:
    """Return the small image (h' w') of the changes between two grey frames (h w)."""
    change = after - before
    return resized_planes(np.abs(change, out=change), image_size(*change.shape))
