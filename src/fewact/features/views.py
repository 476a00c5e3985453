"""Views of a clip: its frames as requests need them, stabilised, small, or their changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from fewact.backbones import Level
from fewact.features.request import Request, View
from fewact.features.small import (
    difference_images,
    halved,
    repeats,
    small_frames,
    without_repeats,
)
from fewact.video.camera.measured import grey_of
from fewact.video.camera.motion import (
    LEAST_ASPECT,
    MOST_ASPECT,
    CameraMotion,
    estimate_camera_motion,
)
from fewact.video.camera.similarity import Similarity
from fewact.video.camera.stabilise import removed_motion, without_motion


@dataclass(frozen=True)
class FrameBatch:
    """Frames that run through the network together.

    Args:
        frames: Frames (n 3 H W) uint8.
        requests: Requests of their features.
    """

    frames: Tensor
    requests: tuple[Request, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels that are requested of the frames, each once."""
        levels = (request.level for request in self.requests)
        return tuple(dict.fromkeys(level for level in levels if level is not None))


class NetworkInputs(NamedTuple):
    """What some requests need: frames for the network, and values of those that need no network."""

    batches: Sequence[FrameBatch] = ()
    values: Mapping[Request, Tensor] = {}


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
        halves: Their halved frames, by their number n, if they are known already.
        again: Which of them (n) are the frame before, chosen again, by their number n; None if none
            is. A clip of fewer frames than n has such ones; a correction may make them unequal.
    """

    def __init__(
        self,
        decoded: Mapping[int, Tensor],
        aspect: float,
        frames_per_slot: int = 1,
        *,
        halves: Mapping[int, Tensor] | None = None,
        again: Mapping[int, Tensor] | None = None,
    ) -> None:
        self._decoded, self._frames_per_slot = decoded, frames_per_slot
        self._halves = dict(halves or {})
        self._again = again or {}
        self._aspect = min(max(aspect, LEAST_ASPECT), MOST_ASPECT)
        self._grey: dict[int, Tensor] = {}
        self._motion: dict[int, CameraMotion] = {}
        self._repeated: dict[int, Tensor] = {}
        self._stabilised: dict[Shown, Tensor] = {}
        self._even: dict[Shown, Tensor] = {}
        self._small: dict[Shown, Tensor] = {}
        self._differences: dict[Shown, Tensor] = {}

    def inputs(self, requests: Sequence[Request]) -> NetworkInputs:
        """Return what requests need; those of one type whose views show the same share frames."""
        batches: dict[tuple[object, Shown], list[Request]] = {}
        values: dict[Request, Tensor] = {}
        for request in requests:
            if request.level is None:
                values[request] = request.prepare(self)
            else:
                shared = request.images, self.shown(request.view)
                batches.setdefault(shared, []).append(request)
        prepared = [
            FrameBatch(requests_of[0].prepare(self), tuple(requests_of))
            for requests_of in batches.values()
        ]
        return NetworkInputs(prepared, values)

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
            as_decoded = shown.motion is None and not self._repeated_of(shown.count).any()
            grey = self._grey_of(shown.count) if as_decoded else None
            self._differences[shown] = difference_images(self._even_frames(shown), grey=grey)
        return self._differences[shown]

    def camera_log_odds(self, view: View) -> Tensor:
        """Return the log-odds (1) that the camera moved in the frames of a view."""
        log_odds = self._motion_of(view.frames * self._frames_per_slot).log_odds
        return torch.tensor([log_odds], dtype=torch.float32)

    def _even_frames(self, shown: Shown) -> Tensor:
        """Return halved frames that move evenly."""
        if shown not in self._even:
            halves = self._halved_of(shown.count)
            if shown.motion is not None:
                halves = self._without_motion(halves, shown.motion)
            self._even[shown] = without_repeats(halves, self._repeated_of(shown.count))
        return self._even[shown]

    def _without_motion(self, frames: Tensor, motion: Similarity) -> Tensor:
        factor = frames.shape[-2] / self._halved_of(len(frames)).shape[-2]
        return without_motion(frames, motion.scaled(factor), self._aspect)

    def _motion_of(self, n: int) -> CameraMotion:
        if n not in self._motion:
            self._motion[n] = estimate_camera_motion(
                self._halved_of(n), aspect=self._aspect, grey=self._grey_of(n)
            )
        return self._motion[n]

    def _halved_of(self, n: int) -> Tensor:
        if n not in self._halves:
            self._halves[n] = halved(self._decoded[n])
        return self._halves[n]

    def _repeated_of(self, n: int) -> Tensor:
        if n not in self._repeated:
            repeated = repeats(self._halved_of(n), self._grey_of(n))
            self._repeated[n] = repeated | self._again[n] if n in self._again else repeated
        return self._repeated[n]

    def _grey_of(self, n: int) -> Tensor:
        if n not in self._grey:
            self._grey[n] = grey_of(self._halved_of(n))
        return self._grey[n]
