"""Views of a clip: its frames as requests need them, stabilised, small, or their changes.

A network sees outlines of a person in small frames, 64 pixels high, too, for a ninth of the time.
Images of differences show movement alone, whatever the clothes and the background. Their red, green
and blue are the absolute differences of grey neighbours in three pairs of frames: the one before a
frame, the one that ends with it, and the one that begins with it. So a network for photographs sees
outlines of movement, and their colours say where it goes. A change of the light is no movement: it
is taken away before. Both run through the first blocks of the network only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from fewact.features.request import Request, View
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

GAIN = 3.0
"""Factor of the differences, most of which are far below 255."""

SIDE = 64
"""Height of the images in pixels, whatever that of the frames, unless these are smaller."""

NEAR, LITTLE, MANY = 4, 0.15, 0.3
"""Changes before and after that of a repeated frame, its largest ratio to the greatest of either,
and the least fraction of such frames: where fewer repeat others, motion is hardly less even."""

STRIDE = 16
"""Pixels by which the sides of an image are divisible, as those of a frame."""


Frames = Tensor | Sequence[SharedFrame[Tensor]]
"""Frames (n 3 H W) uint8; overlapping clips share what is computed of them."""


@dataclass(frozen=True)
class FrameBatch:
    """Frames that run through the network together, or the value of a request without a network.

    Args:
        frames: Frames (n 3 H W) uint8; the value itself where no level is requested.
        requests: Requests of their features.
    """

    frames: Tensor
    requests: tuple[Request, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that are requested of the frames, each once."""
        levels = (request.level for request in self.requests)
        return tuple(dict.fromkeys(level for level in levels if level is not None))


@dataclass(frozen=True)
class Shown:
    """Frames that a view shows; those of equal ones are equal.

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
    """

    def __init__(
        self,
        decoded: Mapping[int, Tensor],
        aspect: float,
        frames_per_slot: int = 1,
        *,
        halves: Mapping[int, Sequence[SharedFrame[Tensor]]] | None = None,
        again: Mapping[int, Tensor] | None = None,
        static: bool = False,
    ) -> None:
        self._static = static
        self._decoded, self._frames_per_slot = decoded, frames_per_slot
        self._halves = dict(halves or {})
        self._stacked: dict[int, Tensor] = {}
        self._again = again or {}
        self._aspect = min(max(aspect, LEAST_ASPECT), MOST_ASPECT)
        self._motion: dict[int, CameraMotion] = {}
        self._repeated: dict[int, Tensor] = {}
        self._stabilised: dict[Shown, Tensor] = {}
        self._even: dict[Shown, Sequence[SharedFrame[Tensor]]] = {}
        self._small: dict[Shown, Tensor] = {}
        self._differences: dict[Shown, Tensor] = {}

    def inputs(self, requests: Sequence[Request]) -> list[FrameBatch]:
        """Return what requests need; those of one type whose views show the same share frames."""
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

    def frames(self, view: View) -> Tensor:
        """Return the frames (n 3 H W) uint8 of a view."""
        shown = self.shown(view)
        if shown.motion is None:
            return self._decoded[shown.count]
        if shown not in self._stabilised:
            self._stabilised[shown] = self._without_motion(self._decoded[shown.count], shown.motion)
        return self._stabilised[shown]

    def small_frames(self, view: View) -> Tensor:
        """Return small frames (n 3 h w) uint8 of a view."""
        shown = self.shown(view)
        if shown not in self._small:
            self._small[shown] = small_frames(self._even_frames(shown))
        return self._small[shown]

    def difference_images(self, view: View) -> Tensor:
        """Return images (n 3 h w) uint8 of what changes in a view."""
        shown = self.shown(view)
        if shown not in self._differences:
            self._differences[shown] = difference_images(self._even_frames(shown))
        return self._differences[shown]

    def camera_log_odds(self, view: View) -> Tensor:
        """Return the log-odds (1) that the camera moved in the frames of a view."""
        log_odds = self._motion_of(view.frames * self._frames_per_slot).log_odds
        return torch.tensor([log_odds], dtype=torch.float32)

    def _even_frames(self, shown: Shown) -> Sequence[SharedFrame[Tensor]]:
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

    def _without_motion(self, frames: Tensor, motion: Similarity) -> Tensor:
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

    def _halved_of(self, n: int) -> Sequence[SharedFrame[Tensor]]:
        if n not in self._halves:
            self._halves[n] = shared(halved(self._decoded[n]))
        return self._halves[n]

    def _stacked_halves(self, n: int) -> Tensor:
        if n not in self._stacked:
            self._stacked[n] = stacked([frame.image for frame in self._halved_of(n)])
        return self._stacked[n]

    def _repeated_of(self, n: int) -> Tensor:
        if n not in self._repeated:
            repeated = repeats(self._halved_of(n))
            self._repeated[n] = repeated | self._again[n] if n in self._again else repeated
        return self._repeated[n]


def stacked(frames: Sequence[Tensor]) -> Tensor:
    """Return frames (3 h w) as (t 3 h w), channels last, as those of a decoded clip are."""
    return torch.stack([frame.permute(1, 2, 0) for frame in frames]).permute(0, 3, 1, 2)


def image_size(height: int, width: int, side: int = SIDE) -> tuple[int, int]:
    """Return the height and width of an image from those of the frames.

    ``side`` is the height, a multiple of 16; at most that of the frames.
    """
    side = min(side, STRIDE * max(1, height // STRIDE))
    return side, STRIDE * max(1, round(side * width / height / STRIDE))


def halved(frames: Tensor) -> Tensor:
    """Return frames (n 3 H W) uint8 of half the size, unless small frames are larger than that.

    A pixel is the mean of four.
    """
    height, width = (side // 2 for side in frames.shape[-2:])
    if height < SIDE:
        return frames
    return functional.interpolate(frames, (height, max(1, width)), mode="bilinear")


def repeats(frames: Frames) -> Tensor:
    """Return which of the frames (n 3 H W) repeat the one before: (n) bool; none if they are few.

    A frame that is equal does. An encoder does not leave repeats equal, but they change much less
    than their neighbours do, before and after. A static person does so at the ends of a
    movement only.
    """
    none = torch.zeros(len(frames), dtype=torch.bool)
    if len(frames) < 2:
        return none
    pairs = [*pairwise(shared(frames))]
    change = torch.stack([before.with_later(after, _mean_change) for before, after in pairs])
    unchanged = (change == 0).tolist()
    equal = torch.tensor(
        [
            same and torch.equal(before.image, after.image)
            for (before, after), same in zip(pairs, unchanged, strict=True)
        ]
    )
    greatest = functional.pad(change, (NEAR, NEAR)).unfold(0, NEAR, 1).amax(1)
    before, after = greatest[: len(change)].clone(), greatest[-len(change) :].clone()
    before[0], after[-1] = after[0], before[-1]  # nothing is known of the other side
    repeated = equal | (change < LITTLE * torch.minimum(before, after))
    frequent = bool(repeated.float().mean() >= MANY)
    return functional.pad(repeated, (1, 0)) if frequent else none


def _mean_change(before: SharedFrame[Tensor], after: SharedFrame[Tensor]) -> Tensor:
    return (after.of(luma) - before.of(luma)).abs().mean()


def without_repeats(frames: Tensor, repeated: Tensor) -> Tensor:
    """Return frames (n …) uint8 of which those that repeat others change evenly to the next one.

    A video of a low frame rate that was saved at a higher one repeats frames. What moves in it
    would stand still, and then jump. ``repeated`` (n) are those; at the end they stay.
    """
    if not repeated.any():
        return frames
    even, first = frames.clone(), 0
    for last in torch.arange(len(frames))[~repeated].tolist():
        for i in range(first + 1, last):
            part = (i - first) / (last - first)
            even[i] = torch.lerp(frames[first].float(), frames[last].float(), part).round_()
        first = last
    return even


def small_frames(frames: Frames) -> Tensor:
    """Return frames (n 3 H W) uint8 in a smaller size: (n 3 h w) uint8, see ``image_size``."""
    return stacked([frame.of(_small) for frame in shared(frames)])


def _small(frame: SharedFrame[Tensor]) -> Tensor:
    return _resized(frame.image[None])[0]


def _resized(images: Tensor) -> Tensor:
    size = image_size(*images.shape[-2:])
    return functional.interpolate(images, size, mode="bilinear", antialias=True)


def difference_images(frames: Frames) -> Tensor:
    """Return images (n 3 h w) uint8 of the changes around each of the frames (n 3 H W).

    The frames are in the order of time. A pair beyond either end has no differences.
    """
    known = shared(frames)
    grey = torch.stack([frame.of(luma) for frame in known])
    evenly_lit = same_light(grey)
    if evenly_lit is None:
        changes = [before.with_later(after, _change) for before, after in pairwise(known)]
    else:
        changes = [_small_change(before, after) for before, after in pairwise(evenly_lit)]
    none = grey.new_zeros(image_size(*grey.shape[-2:]))
    padded = torch.stack([none, none, *changes, none, none])  # (n+3 h w)
    levels = (GAIN * padded).round_().clamp_(0, 255).to(torch.uint8)
    return torch.stack([levels[i : i + len(frames)] for i in range(3)], 1)


def _change(before: SharedFrame[Tensor], after: SharedFrame[Tensor]) -> Tensor:
    return _small_change(before.of(luma), after.of(luma))


def _small_change(before: Tensor, after: Tensor) -> Tensor:
    """Return the small image (h' w') of the changes between two grey frames (h w)."""
    return _resized((after - before).abs_()[None, None])[0, 0]
