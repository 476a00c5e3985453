"""Features of clips: the next clip is decoded while this one is in the network."""

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact.backbones import Backbone, Level
from fewact.camera.motion import CameraMotion, estimate_camera_motion
from fewact.camera.stabilise import stabilise_modes
from fewact.data.video_source import VideoSource
from fewact.errors import OptionError, VideoError
from fewact.features.request import CameraMotionRequest, FeatureRequest, Request, Stabilise
from fewact.features.timing import Timing
from fewact.video import Sampler, Segments, VideoWarning, collect_warnings

F = TypeVar("F", bound=VideoSource)


@dataclass(frozen=True)
class Extracted(Generic[F]):
    """What was made of a clip.

    Args:
        clip: The clip.
        features: By tap, on the backbone's device: ``vectors`` (t d), ``maps`` and ``middle``
            (t c h w), ``camera`` (t 1) and ``bolder`` (t 2 3) float32, ``pixels`` (t 3 H W) uint8.
            None where the clip cannot be read.
        error: Why it cannot be read.
    """

    clip: F
    features: dict[Request, Tensor] | None
    error: VideoError | None = None


def extract(
    clips: Iterable[F],
    backbone: Backbone,
    requests: Sequence[Request],
    *,
    sampler: Callable[[int], Sampler] = Segments,
    timing: Timing | None = None,
    prefetch: int = 2,
    at_once: int = 1,
) -> Iterator[Extracted[F]]:
    """Extract features of clips, in order.

    Each clip is decoded once for all taps, and each set of frames runs through the network once,
    as deep as its taps need. Frames are shrunk as they are decoded, so that long or large videos
    take no more memory than others.

    Args:
        clips: What to extract features of.
        backbone: For the features.
        requests: Which features; those of equally many frames, stabilised alike, share them.
        sampler: Makes the sampler that chooses this many frames.
        timing: Adds up the stages ``decode``, ``stabilise`` and ``backbone``.
        prefetch: Clips decoded ahead of those in the network.
        at_once: Clips in the network at the same time. Two keep all cores busy at the end of each
            clip, but nobody can say how long each takes.

    Returns:
        One ``Extracted`` a clip. A clip that cannot be read is one with an ``error``; any other
        error is raised.

    Raises:
        OptionError: The backbone lacks a tap, no tap is asked for, or a number is not positive.
    """
    if not requests:
        raise OptionError("no tap is asked for", where="taps")
    for name, number in (("prefetch", prefetch), ("at_once", at_once)):
        if number < 1:
            raise OptionError("is not accepted", where=name, got=str(number), expected="1 up")
    seen = [request for request in requests if isinstance(request, FeatureRequest)]
    backbone.check_levels([request.level for request in seen])
    kinds = tuple(dict.fromkeys(_kind(request, backbone) for request in seen))
    cameras = tuple(one for one in requests if isinstance(one, CameraMotionRequest))
    reader = _Reader(backbone, kinds, cameras, sampler, timing or Timing())
    return _extract(clips, backbone, requests, reader, prefetch, at_once)


def _extract(
    clips: Iterable[F],
    backbone: Backbone,
    requests: Sequence[Request],
    reader: "_Reader",
    prefetch: int,
    at_once: int,
) -> Iterator[Extracted[F]]:
    rest = iter(clips)

    def run(decoded: _Decoded) -> dict[Request, Tensor] | None:
        if decoded.error is not None:
            return None
        with reader.timing.stage("backbone"):
            return _features(backbone, requests, decoded)

    with (
        ThreadPoolExecutor(1, thread_name_prefix="fewact-decode") as pool,
        ThreadPoolExecutor(at_once, thread_name_prefix="fewact-network") as network,
    ):
        ahead = deque((clip, pool.submit(reader.read, clip)) for clip in islice(rest, prefetch))
        running: deque[tuple[F, _Decoded, Future[dict[Request, Tensor] | None]]] = deque()
        try:
            while ahead or running:
                while ahead and len(running) < at_once:
                    clip, future = ahead.popleft()
                    decoded = future.result()
                    ahead.extend((one, pool.submit(reader.read, one)) for one in islice(rest, 1))
                    running.append((clip, decoded, network.submit(run, decoded)))
                clip, decoded, features = running.popleft()
                for text in decoded.warned:
                    warnings.warn(text, VideoWarning, stacklevel=2)
                yield Extracted(clip, features.result(), decoded.error)
        finally:
            reader.stop()


class _Kind(NamedTuple):
    """What sets a set of input frames apart."""

    inputs: int
    stabilise: Stabilise


def _kind(request: Request, backbone: Backbone) -> _Kind:
    return _Kind(request.frames * backbone.card.frames_per_slot, request.view.stabilise)


def _features(
    backbone: Backbone, requests: Sequence[Request], decoded: "_Decoded"
) -> dict[Request, Tensor]:
    """Run each set of frames once, for all taps of it."""
    sets = decoded.sets
    # Where there was nothing to stabilise, two kinds have the same set.
    names: dict[int, list[Level]] = {id(frames): [] for frames in sets.values()}
    for request in requests:
        if isinstance(request, FeatureRequest):
            names[id(sets[_kind(request, backbone)])].append(request.level)
    found = {
        id(frames): backbone.features(frames, dict.fromkeys(names[id(frames)]))
        for frames in {id(frames): frames for frames in sets.values()}.values()
    }

    def of(request: Request) -> Tensor:
        if isinstance(request, CameraMotionRequest):
            return decoded.told[request].to(backbone.device)
        return found[id(sets[_kind(request, backbone)])][request.level]

    return {request: of(request) for request in requests}


@dataclass(frozen=True)
class _Decoded:
    """What the decoding thread hands over.

    Args:
        sets: For each kind the prepared frames (t 3 H W), uint8.
        told: Features that say how the camera moved.
        warned: What there is to warn of.
        error: Why the clip cannot be read.
    """

    sets: dict[_Kind, Tensor]
    told: dict[Request, Tensor]
    warned: list[str]
    error: VideoError | None = None


def _told(
    motion: CameraMotion, request: CameraMotionRequest, frames: Tensor, aspect: float
) -> Tensor:
    """Camera motion (t 7) in some frames (t 3 H W)."""
    height = frames.shape[-2]
    maps = motion.permissive_to_stabilised.affine(height, height * aspect)
    maps = maps[:: len(maps) // request.frames]  # of each slot's first frame
    log_odds = maps.new_full((len(maps), 1), motion.log_odds)
    return torch.cat([log_odds, maps.flatten(1)], 1)


class _Stopped(Exception):
    """Nobody waits for this clip any more."""


class _Reader:
    """Decodes clips in another thread until it is told to stop."""

    def __init__(
        self,
        backbone: Backbone,
        kinds: Sequence[_Kind],
        cameras: Sequence[CameraMotionRequest],
        sampler: Callable[[int], Sampler],
        timing: Timing,
    ) -> None:
        self.timing = timing
        self._backbone = backbone
        self._kinds = kinds
        self._cameras = cameras
        asked = (*kinds, *(_kind(request, backbone) for request in cameras))
        inputs = dict.fromkeys(kind.inputs for kind in asked)
        self._samplers = {number: sampler(number) for number in inputs}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no clip any more, and give up the one at hand at its next frame."""
        self._stopped.set()

    def read(self, clip: VideoSource) -> _Decoded:
        """All sets of frames of a clip in one pass, shrunk, and stabilised where that is asked."""
        aspect = 1.0

        def shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
            """A frame (h w 3) at the backbone's size (H W 3)."""
            nonlocal aspect
            self._go_on()
            aspect = picture.shape[1] / picture.shape[0]
            small: NDArray[np.uint8] = self._backbone.prepare(picture).permute(1, 2, 0).numpy()
            return small

        self._go_on()
        with self.timing.stage("decode"), collect_warnings() as warned:
            try:
                read = clip.read(list(self._samplers.values()), transform=shrink)  # (t H W 3) each
            except VideoError as error:
                return _Decoded({}, {}, warned, error)
        images = (torch.from_numpy(frames).permute(0, 3, 1, 2) for frames in read)
        sets = dict(zip(self._samplers, images, strict=True))
        with self.timing.stage("stabilise"):
            told: dict[Request, Tensor] = {}
            steady: dict[_Kind, Tensor] = {}
            for inputs, frames in sets.items():
                cameras = [request for request in self._cameras if self._inputs(request) == inputs]
                motion = estimate_camera_motion(frames, aspect=aspect) if cameras else None
                if motion is not None:
                    told |= {request: _told(motion, request, frames, aspect) for request in cameras}
                modes = [kind.stabilise for kind in self._kinds if kind.inputs == inputs]
                found = stabilise_modes(frames, modes, aspect=aspect, motion=motion)
                steady |= {_Kind(inputs, mode): seen for mode, seen in found.items()}
        return _Decoded(steady, told, warned)

    def _inputs(self, request: Request) -> int:
        return _kind(request, self._backbone).inputs

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _Stopped
