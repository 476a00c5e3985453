"""Views of a clip: decoded, resized and stabilised frames, and the camera's motion in them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.backbones import Backbone
from fewact.core.errors import VideoError
from fewact.data.video_source import VideoSource
from fewact.features.request import Request, View
from fewact.features.small import (
    difference_images,
    halved,
    repeats,
    small_frames,
    without_repeats,
)
from fewact.features.timing import Timing
from fewact.video import Sampler, collect_warnings
from fewact.video.camera.measured import grey_of
from fewact.video.camera.motion import (
    LEAST_ASPECT,
    MOST_ASPECT,
    CameraMotion,
    estimate_camera_motion,
)
from fewact.video.camera.stabilise import removed_motion, without_motion
from fewact.video.cleaning.correction import Correction, find_correction
from fewact.video.samplers import NotedSampler


def corrected(
    decoded: Mapping[int, Tensor], aspect: float
) -> tuple[Mapping[int, Tensor], Correction]:
    """Correct the frames of a clip, see ``fewact.video.cleaning.correction``.

    Args:
        decoded: Resized frames (n 3 H W) uint8, by their number n.
        aspect: Width over height of the frames before they were resized.

    Returns:
        Corrected frames of the same size, and their correction; the same mapping if there is
        nothing to correct.
    """
    last_axis = {number: frames.permute(0, 2, 3, 1).numpy() for number, frames in decoded.items()}
    correction = find_correction(last_axis[max(last_axis)], aspect)
    if not correction:
        return decoded, correction
    return {
        number: torch.from_numpy(correction.frames(frames)).permute(0, 3, 1, 2)
        for number, frames in last_axis.items()
    }, correction


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
        # By the id of their frames and motion, all of which are kept above or here.
        self._stabilised: dict[tuple[int, int], Tensor] = {}
        self._moving: dict[int, Tensor] = {}
        self._small: dict[int, Tensor] = {}
        self._differences: dict[int, Tensor] = {}

    def frames(self, view: View) -> Tensor:
        """Return the frames (n 3 H W) uint8 of a view; views with equal frames share a tensor."""
        return self._seen(view, self._decoded[self._number(view)])

    def small_frames(self, view: View) -> Tensor:
        """Return small frames (n 3 h w) uint8 of a view; those of equal frames share a tensor."""
        frames = self._halved_frames(view)
        if id(frames) not in self._small:
            self._small[id(frames)] = small_frames(frames)
        return self._small[id(frames)]

    def difference_images(self, view: View) -> Tensor:
        """Return images (n 3 h w) uint8 of what changes; those of equal frames share a tensor."""
        frames = self._halved_frames(view)
        if id(frames) not in self._differences:
            n = self._number(view)
            grey = self._grey_of(n) if frames is self._halved_of(n) else None
            self._differences[id(frames)] = difference_images(frames, grey=grey)
        return self._differences[id(frames)]

    def camera_log_odds(self, view: View) -> Tensor:
        """Return the log-odds (1) that the camera moved in the frames of a view."""
        return torch.tensor([self._motion_of(self._number(view)).log_odds], dtype=torch.float32)

    def _number(self, view: View) -> int:
        """Return the number of input frames of a view."""
        return view.frames * self._frames_per_slot

    def _halved_frames(self, view: View) -> Tensor:
        """Return the halved frames of a view, moving evenly; equal frames share a tensor."""
        n = self._number(view)
        frames = self._seen(view, self._halved_of(n))
        if id(frames) not in self._moving:
            self._moving[id(frames)] = without_repeats(frames, self._repeated_of(n))
        return self._moving[id(frames)]

    def _seen(self, view: View, frames: Tensor) -> Tensor:
        """Return these frames as a view shows them: stabilised or as they are."""
        n = len(frames)
        motion = removed_motion(view.stabilise, lambda: self._motion_of(n))
        if motion is None:
            return frames
        key = id(frames), id(motion)
        if key not in self._stabilised:
            factor = frames.shape[-2] / self._halved_of(n).shape[-2]
            self._stabilised[key] = without_motion(frames, motion.scaled(factor), self._aspect)
        return self._stabilised[key]

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
            found = repeats(self._halved_of(n), self._grey_of(n))
            self._repeated[n] = found | self._again[n] if n in self._again else found
        return self._repeated[n]

    def _grey_of(self, n: int) -> Tensor:
        if n not in self._grey:
            self._grey[n] = grey_of(self._halved_of(n))
        return self._grey[n]


@dataclass(frozen=True)
class PreparedClip:
    """What is prepared of a clip before the network runs.

    Args:
        inputs: For each request its frames (n 3 H W) uint8 or, where it needs no network, its
            value. Empty where the clip cannot be read.
        warnings: Warnings of the decoder.
        error: Why the clip cannot be read.
    """

    inputs: Mapping[Request, Tensor]
    warnings: Sequence[str] = field(default_factory=list)
    error: VideoError | None = None


class _Stopped(Exception):
    """The prepared clip is not needed any more."""


class ClipReader:
    """Decodes clips and prepares the views that are requested, until it is stopped.

    Args:
        backbone: Backbone whose input size the frames are resized to.
        requests: Requests whose views are prepared.
        sampler: Makes the sampler that chooses a number of frames.
        timing: Adds up the stages ``decode`` and ``stabilise``.
    """

    def __init__(
        self,
        backbone: Backbone,
        requests: Sequence[Request],
        sampler: Callable[[int], Sampler],
        timing: Timing,
    ) -> None:
        self._backbone, self._requests, self._timing = backbone, requests, timing
        slot = backbone.card.frames_per_slot
        numbers = dict.fromkeys(request.view.frames * slot for request in requests)
        self._samplers = {number: sampler(number) for number in numbers}
        stabilised = {one.view.frames for one in requests if one.uses_camera_motion}
        # Frames of equal numbers may be the same ones, which run through the network once.
        self._early = [one for one in requests if one.view.frames not in stabilised]
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no other clip, and give up the current one at its next frame."""
        self._stopped.set()

    def read(
        self,
        clip: VideoSource,
        early: Callable[[Mapping[Request, Tensor]], object] | None = None,
    ) -> PreparedClip:
        """Decode a clip once for all requests; only resized frames are held.

        Args:
            clip: Clip to decode.
            early: Called with the inputs of requests that need no camera motion, before it is
                estimated; not called if there are none, or if the clip cannot be read.
        """
        self._check_stopped()
        samplers = {number: NotedSampler(sampler) for number, sampler in self._samplers.items()}
        with self._timing.stage("decode"), collect_warnings() as texts:
            try:
                sets = clip.read(list(samplers.values()), transform=self._resize)
            except VideoError as error:
                return PreparedClip({}, texts, error)
        decoded = {
            number: torch.from_numpy(frames).permute(0, 3, 1, 2)  # (n 3 H W)
            for number, frames in zip(samplers, sets, strict=True)
        }
        aspect = self._backbone.card.prepared_aspect(sets.aspect)
        slot = self._backbone.card.frames_per_slot
        again = {
            number: torch.from_numpy(np.diff(sampler.chosen, prepend=-1) == 0)
            for number, sampler in samplers.items()
        }
        views = Views(decoded, aspect, slot, again=again)
        if early is not None and self._early:
            early({request: request.prepare(views) for request in self._early})
        with self._timing.stage("stabilise"):
            inputs = {request: request.prepare(views) for request in self._requests}
        return PreparedClip(inputs, texts)

    def _resize(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame (h w 3) at the backbone's input size (H W 3)."""
        self._check_stopped()
        resized: NDArray[np.uint8] = self._backbone.prepare(frame).permute(1, 2, 0).numpy()
        return resized

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise _Stopped
