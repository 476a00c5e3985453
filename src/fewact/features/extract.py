"""Extract features of clips: the next ones are prepared while this one is in the network.

Frames that are not stabilised are in the network while the camera motion of others is estimated.
Decoding, stabilising and the network of different clips run in threads that use one core each: no
thread waits for another's core, and no result depends on the number of threads.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import OptionError, VideoError
from fewact.core.workers import one_core_threads, started_threads, thread_count
from fewact.data.joints import JointTrack
from fewact.features.request import FeatureRequest, Features, JointRequest, Request
from fewact.features.views import FrameBatch, Views
from fewact.networks import Backbone, Level
from fewact.networks.card import FROM_SHALLOW
from fewact.video import Reading, Sampler, collect_warnings, warn_of_video
from fewact.video.resizing import channels_last, planes
from fewact.video.samplers import sampler_of
from fewact.video.source import VideoSource

if TYPE_CHECKING:
    from fewact.features.joints import JointReader
    from fewact.poses.base import PoseEstimator

S = TypeVar("S")

Stage = Literal["decode", "pose", "stabilise", "backbone", "moments", "alignment"]
TIMING_STAGES: tuple[Stage, ...] = get_args(Stage)


class Timing:
    """Adds up wall-clock seconds by stage, from any thread.

    Stages that run at the same time in two threads both count, so that the sum may exceed the
    elapsed time. Resizing frames belongs to ``decode``.

    >>> timing = Timing()
    >>> with timing.stage("moments"):
    ...     pass
    >>> list(timing.seconds)
    ['decode', 'stabilise', 'backbone', 'moments', 'alignment']
    """

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = dict.fromkeys(TIMING_STAGES, 0.0)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[Stage, float]:
        """Seconds of each stage; ``pose`` is left out where no joints were read."""
        with self._lock:
            return {name: s for name, s in self._seconds.items() if s or name != "pose"}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time inside of ``with`` to a stage, even after an error."""
        if name not in TIMING_STAGES:
            raise OptionError(
                "there is no such stage", got=repr(name), expected=", ".join(TIMING_STAGES)
            )
        begin = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - begin
            with self._lock:
                self._seconds[name] += passed


def stage(timing: Timing | None, name: Stage) -> AbstractContextManager[None]:
    """Measure the time of a stage, if a timing is passed."""
    return nullcontext() if timing is None else timing.stage(name)


class NetworkFeatures:
    """Computes the features of one clip, or of clips that follow each other.

    Requests share the features of the frames that they share. A network that reads several frames
    together has no features of one frame, and runs once for each set of frames.

    Args:
        backbone: Backbone that computes the features.
        requests: All requests of a clip. Levels that some of them need of frames are computed
            whenever the network passes them, as later requests may share the frames.
    """

    def __init__(self, backbone: Backbone, requests: Iterable[Request] = ()) -> None:
        self._backbone = backbone
        self._requested = {
            request.level for request in requests if isinstance(request, FeatureRequest)
        }
        self._computed: OrderedDict[bytes, dict[Level, NDArray[Any]]] = OrderedDict()

    def of(self, batches: Iterable[FrameBatch]) -> dict[Request, NDArray[Any]]:
        """Return features of prepared requests; the network runs no deeper than it must."""
        features: dict[Request, NDArray[Any]] = {}
        # Frames with deeper levels first, so that others find theirs.
        for batch in sorted(batches, key=lambda batch: _depth(batch.levels), reverse=True):
            if not batch.levels:
                features[batch.requests[0]] = batch.frames
                continue
            compute = self._each if self._backbone.reads_single_frames else self._backbone.features
            levels = compute(batch.frames, batch.levels)
            features |= {
                request: request.reduced(levels[request.level])
                for request in batch.requests
                if request.level is not None
            }
        return features

    def forget(self, limit: int) -> None:
        """Forget features, except of this number of frames that were needed last."""
        while len(self._computed) > limit:
            self._computed.popitem(last=False)

    def _each(
        self, frames: NDArray[np.uint8], levels: tuple[Level, ...]
    ) -> dict[Level, NDArray[Any]]:
        """Return features of frames; a frame that was computed before is not computed again."""
        pixels = channels_last(frames)
        keys = [frame.tobytes() for frame in pixels]
        computed = {key for key in keys if self._computed.get(key, {}).keys() >= set(levels)}
        for key in computed:
            self._computed.move_to_end(key)
        new = list({key: i for i, key in enumerate(keys) if key not in computed}.values())
        passed = self.passed(levels)
        if len(new) == len(keys):
            features = self._backbone.features(frames, passed)
            self._store(keys, features)
            return {level: features[level] for level in levels}
        if new:
            features = self._backbone.features(planes(pixels[new]), passed)
            self._store([keys[i] for i in new], features)
        return {level: np.stack([self._computed[key][level] for key in keys]) for level in levels}

    def passed(self, levels: Collection[Level]) -> tuple[Level, ...]:
        """Return levels, and the requested ones that the network passes on the way to them."""
        shallower = FROM_SHALLOW[: _depth(levels)]
        passed = (level for level in shallower if level in self._requested)
        return tuple(dict.fromkeys((*levels, *passed)))

    def _store(self, keys: Iterable[bytes], features: Mapping[Level, NDArray[Any]]) -> None:
        for i, key in enumerate(keys):
            self._computed.setdefault(key, {}).update(
                {level: values[i] for level, values in features.items()}
            )


def _depth(levels: Iterable[Level]) -> int:
    return max((FROM_SHALLOW.index(level) for level in levels if level in FROM_SHALLOW), default=0)


@dataclass(frozen=True)
class Extracted(Generic[S]):
    """Features of a clip.

    Args:
        clip: Clip that was read.
        features: Features by request: float32, but ``pixels`` uint8. None where the clip cannot be
            read.
        reading: Timeline, size and corrections of the clip, without its frames; None where the clip
            cannot be read.
        warnings: Warnings of reading it, for ``warn``.
        error: Why the clip cannot be read.
        joints: Joints of the clip, with times from its start; None if none are requested, or if it
            has none.
    """

    clip: S
    features: dict[Request, NDArray[Any]] | None
    reading: Reading | None = None
    warnings: Sequence[str] = ()
    error: VideoError | None = None
    joints: JointTrack | None = None

    @property
    def result(self) -> Features | VideoError:
        """Features, or the error of a clip that cannot be read."""
        if self.features is None:
            return self.error or VideoError("clip", "there are no features")
        return self.features

    def warn(self) -> None:
        """Warn that the clip is damaged."""
        for text in self.warnings:
            warn_of_video(text)


class _Stopped(Exception):
    """The prepared clip is not needed any more."""


class ClipDecoder:
    """Decodes clips and prepares the views that are requested, until it is stopped.

    The stages ``decode``, ``pose`` and ``stabilise`` are timed.
    """

    def __init__(
        self,
        backbone: Backbone,
        requests: Sequence[Request],
        sampler: Callable[[int], Sampler],
        timing: Timing,
        pose: "PoseEstimator | None" = None,
    ) -> None:
        self._backbone, self._timing = backbone, timing
        slot = backbone.card.frames_per_slot
        self._joints = joint_reader(requests, slot, pose)
        counts = dict.fromkeys(request.view.frames * slot for request in requests)
        self._samplers = {count: sampler(count) for count in counts}
        stabilised = {request.view.frames for request in requests if request.uses_camera_motion}
        # Frames of equal numbers may be the same ones, which run through the network once.
        self._early = [request for request in requests if request.view.frames not in stabilised]
        self._later = [request for request in requests if request.view.frames in stabilised]
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no other clip, and give up the current one at its next frame."""
        self._stopped.set()

    def read(
        self, clip: S, source: VideoSource, early: Future[list[FrameBatch]]
    ) -> tuple[list[FrameBatch], Extracted[S]]:
        """Decode a clip once for all requests; only resized frames are held.

        ``early`` gets the inputs of requests that need no camera motion, before it is estimated,
        unless the clip cannot be read. Returns the other inputs, and the clip without features.
        """
        self._check_stopped()
        with self._timing.stage("decode"), collect_warnings() as texts:
            try:
                reading = source.read(list(self._samplers.values()), transform=self._resize)
            except VideoError as error:
                return [], Extracted(clip, None, None, texts, error)
        try:
            with collect_warnings() as of_joints:
                joints = self._joints_of(source, reading)
        except VideoError as error:
            return [], Extracted(clip, None, None, texts, error)
        views = self._views(reading, joints)
        early.set_result(views.inputs(self._early))
        with self._timing.stage("stabilise"):
            later = views.inputs(self._later)
        bare, texts = replace(reading, frames=()), [*texts, *of_joints]
        return later, Extracted(clip, None, bare, texts, joints=joints)

    def _joints_of(self, source: VideoSource, reading: Reading) -> JointTrack | None:
        if self._joints is None:
            return None
        with self._timing.stage("pose"):
            return self._joints.read(source, reading, list(self._samplers))

    def _views(self, reading: Reading, joints: JointTrack | None) -> Views:
        decoded, again = {}, {}
        for count, frames, indices in zip(
            self._samplers, reading.frames, reading.chosen, strict=True
        ):
            decoded[count] = planes(frames)  # (n 3 H W)
            again[count] = np.diff(indices, prepend=-1) == 0
        card = self._backbone.card
        aspect = card.prepared_aspect(reading.aspect)
        joints_at = None
        if self._joints is not None and joints is not None:
            times = {n: reading.clip_times(i) for i, n in enumerate(self._samplers)}
            joints_at = self._joints.at_views(joints, times, reading.clip_duration)
        return Views(decoded, aspect, card.frames_per_slot, again=again, joints=joints_at)

    def _resize(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame (h w 3) at the backbone's input size (H W 3)."""
        self._check_stopped()
        return channels_last(self._backbone.prepare(frame))

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def joint_reader(
    requests: Sequence[Request], slot: int, pose: "PoseEstimator | None" = None
) -> "JointReader | None":
    """Return what reads the joints of clips for requests; None if none is for joints."""
    if not any(isinstance(request, JointRequest) for request in requests):
        return None
    from fewact.features.joints import JointReader  # most methods request none

    return JointReader.of(requests, slot, pose)


def extract(
    clips: Iterable[S],
    backbone: Backbone,
    requests: Sequence[Request],
    *,
    source: Callable[[S], VideoSource] | None = None,
    sampler: Callable[[int], Sampler] | None = None,
    timing: Timing | None = None,
    prefetch: int = 2,
    at_once: int = 2,
    pose: "PoseEstimator | None" = None,
) -> Iterator[Extracted[S]]:
    """Extract features of clips, in order.

    Each clip is decoded once for all requests. Equal frames run through the network once, no deeper
    than their requests need. Frames are resized while they are decoded, so that memory
    does not depend on the length or the size of a video.

    Args:
        clips: Clips to extract features of.
        backbone: Backbone that computes the features.
        requests: Requested features; equal views share their frames.
        source: Returns the video source that a clip is read from; None if the clips are sources.
        sampler: Makes the sampler that chooses a number of frames; None for the card's.
        timing: Adds up the stages ``decode``, ``stabilise`` and ``backbone``.
        prefetch: Number of clips that are prepared ahead of those in the network, on up to half of
            the cores.
        at_once: Number of clips in the network at the same time. With two, all cores are busy at
            the end of a clip too.
        pose: Estimates the joints of clips that have none beside their frames, if joints are
            requested; None to leave them without.

    Returns:
        One ``Extracted`` for each clip. A clip that cannot be read has an ``error``; other errors
        are raised.
    """
    if not requests:
        raise OptionError("no features are requested", where="requests")
    for name, number in (("prefetch", prefetch), ("at_once", at_once)):
        if number < 1:
            raise OptionError(
                "the number is not positive", where=name, got=str(number), expected="at least 1"
            )
    backbone.check_levels([request.level for request in requests if request.level is not None])
    timing = timing or Timing()
    chosen = sampler or sampler_of(backbone.card.sampler)
    reader = ClipDecoder(backbone, requests, chosen, timing, pose)

    def run(
        early: Future[list[FrameBatch]],
        preparing: Future[tuple[list[FrameBatch], Extracted[S]]],
    ) -> Extracted[S]:
        either: tuple[Future[Any], ...] = (early, preparing)
        wait(either, return_when=FIRST_COMPLETED)
        network = NetworkFeatures(backbone, requests)
        with timing.stage("backbone"):
            features = network.of(early.result()) if early.done() else {}
        later, clip = preparing.result()
        if clip.error is not None:
            return clip
        with timing.stage("backbone"):
            features |= network.of(later)
        return replace(clip, features={request: features[request] for request in requests})

    def begin(clip: S, decoding: Executor, network: Executor) -> Future[Extracted[S]]:
        early: Future[list[FrameBatch]] = Future()
        video = cast("VideoSource", clip) if source is None else source(clip)
        return network.submit(run, early, decoding.submit(reader.read, clip, video, early))

    return _extract(clips, begin, reader, prefetch, at_once)


def _extract(
    clips: Iterable[S],
    begin: Callable[[S, Executor, Executor], Future[Extracted[S]]],
    reader: ClipDecoder,
    prefetch: int,
    at_once: int,
) -> Iterator[Extracted[S]]:
    upcoming = iter(clips)
    cores = thread_count()
    with (
        one_core_threads(min(prefetch, max(1, cores // 2)), "fewact-decode") as decoding,
        started_threads(at_once, "fewact-network", cores=cores) as network,
    ):
        ahead = islice(upcoming, prefetch + at_once - 1)
        begun = deque(begin(clip, decoding, network) for clip in ahead)
        try:
            while begun:
                first = begun.popleft()
                begun.extend(begin(clip, decoding, network) for clip in islice(upcoming, 1))
                yield first.result()
        finally:
            reader.stop()
            for waiting in begun:
                waiting.cancel()
