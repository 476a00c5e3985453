"""Features of overlapping windows of one recording: each frame passes the network once.

A window has the features of a clip with the same start and end, with two exceptions. Its frames are
the nearest kept frames. Windows share the features of a frame that is not stabilised, and of equal
small frames and images of differences.

Where the camera moves, each window is stabilised to its own middle frame, so that its small frames
pass the network again. Corrected frames pass it again too, unless overlapping windows have the same
correction.
"""

from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.workers import on_one_core
from fewact.data.joints import JointTrack
from fewact.features.extract import NetworkFeatures, Timing, joint_reader
from fewact.features.request import FeatureRequest, Request
from fewact.features.views import FrameBatch, Views, halved, stacked
from fewact.networks import Backbone, Level
from fewact.video.cleaning.correction import Correction, Fault, find_correction, find_faults
from fewact.video.frame import SharedFrame
from fewact.video.resizing import channels_last, planes

if TYPE_CHECKING:
    from fewact.poses.base import PoseEstimator

KEPT_IMAGES = 600
"""Number of small frames and images of differences whose features are kept: of four windows of each
length."""


MOST_CORRECTIONS = 4
"""Number of corrections of a frame that are kept: windows of each length may have their own."""


@dataclass(frozen=True, eq=False)
class _Sample:
    """A kept frame, and what windows share of it.

    Args:
        number: Its number.
        time: Its time, in seconds.
        shared: The frame (H W 3) uint8.
        features: Its features by level once computed.
        corrected: The corrected frame, by the correction.
        joints: Joints (d) that were estimated in it; None if none were.
    """

    number: int
    time: float
    shared: SharedFrame[NDArray[np.uint8]]
    features: dict[Level, NDArray[Any]] = field(default_factory=dict)
    corrected: "OrderedDict[object, _Sample]" = field(default_factory=OrderedDict)
    joints: NDArray[np.float32] | None = None

    @cached_property
    def frame(self) -> NDArray[np.uint8]:
        """The frame (3 H W)."""
        return planes(self.shared.image)

    @cached_property
    def half(self) -> SharedFrame[NDArray[np.uint8]]:
        """The halved frame (3 h w)."""
        return SharedFrame(halved(self.frame[None])[0])

    def with_image(self, image: NDArray[np.uint8]) -> "_Sample":
        """Return a sample of the same number with another image."""
        return _Sample(self.number, self.time, SharedFrame(image), joints=self.joints)


def _corrected(samples: Sequence[_Sample], correction: Correction) -> list[_Sample]:
    """Return corrected samples; windows share a sample that does not depend on other frames."""
    key = correction.of_each_frame
    if key is None:
        images = correction.frames(np.stack([sample.shared.image for sample in samples]))
        return [sample.with_image(image) for sample, image in zip(samples, images, strict=True)]
    new = {sample.number: sample for sample in samples if key not in sample.corrected}
    if new:
        images = correction.frames(np.stack([sample.shared.image for sample in new.values()]))
        for sample, image in zip(new.values(), images, strict=True):
            sample.corrected[key] = sample.with_image(image)
            if len(sample.corrected) > MOST_CORRECTIONS:
                sample.corrected.popitem(last=False)
    return [sample.corrected[key] for sample in samples]


class WindowFrames(NamedTuple):
    """Frames of a window by their number; width over height and size of the recording then."""

    frames: Mapping[int, Sequence[_Sample]]
    aspect: float
    size: tuple[int, int]


class PreparedWindow(NamedTuple):
    """Input of the network for a window: kept frames, and images of this window alone."""

    shared: Mapping[FeatureRequest, Sequence[_Sample]]
    images: Sequence[FrameBatch]
    faults: Sequence[Fault]


class FeatureRing:
    """The last frames of a recording, and features of windows of them.

    Args:
        backbone: Backbone that computes the features.
        requests: Requested features of a window.
        timing: Adds up the stages ``decode`` (resizing), ``pose``, ``stabilise`` and ``backbone``.
        static: Whether the camera is known to be static, see ``Views``.
        joints: Joints of the recording at the times of its frames; None without.
        pose: Estimates joints in each frame, if joints are requested and none are known; None to
            leave them out.

    Attributes:
        windows: Number of windows that were computed.
        faults: Number of these with each fault.
    """

    def __init__(
        self,
        backbone: Backbone,
        requests: Sequence[Request],
        timing: Timing | None = None,
        *,
        static: bool = False,
        joints: JointTrack | None = None,
        pose: "PoseEstimator | None" = None,
    ) -> None:
        self._backbone, self._requests, self._static = backbone, tuple(requests), static
        self._track, self._pose = joints, pose
        self._joints = joint_reader(self._requests, backbone.card.frames_per_slot, pose)
        self._timing = timing or Timing()
        self._samples: deque[_Sample] = deque()
        self._added = 0
        self._network = NetworkFeatures(backbone, self._requests)
        self._aspect, self._size = 1.0, (1, 1)
        self.windows = 0
        self.faults: Counter[Fault] = Counter()
        slot = backbone.card.frames_per_slot
        self._numbers = {request: request.view.frames * slot for request in requests}

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, time: float, frame: NDArray[np.uint8], aspect: float | None = None) -> None:
        """Keep a frame.

        Args:
            time: Time of the frame, in seconds, later than the frame before.
            frame: Frame (h w 3), RGB, uint8; it is resized, not referred to.
            aspect: Width over height as displayed, if the frame was resized before; None for the
                frame's own.
        """
        self._samples.append(self._sample(time, frame))
        self._added += 1
        self._size = height, width = frame.shape[:2]
        self._aspect = width / height if aspect is None else aspect

    def repeat(self, time: float) -> None:
        """Keep the last frame once more, at a later time: a frame lasts until the next one."""
        self._samples.append(replace(self._samples[-1], number=self._added, time=time))
        self._added += 1

    def last_joints(self) -> JointTrack | None:
        """Return the joints of the last frame, whose x and y have one unit; None without."""
        if self._joints is None:
            return None
        last = self._samples[-1]
        values = last.joints
        if self._track is not None:
            values = self._track.at([last.time], last.time)[0]
        return None if values is None else JointTrack(values[None], self._joints.layout)

    def forget(self, before: float) -> None:
        """Forget frames that were shown before a time."""
        while self._samples and self._samples[0].time < before:
            self._samples.popleft()

    def clear(self) -> None:
        """Forget all frames and features."""
        self._samples.clear()
        self._network.forget(0)

    def features(self, start: float, end: float) -> dict[Request, NDArray[Any]]:
        """Return the features of the window between two times in seconds; it has a frame."""
        return self.compute(self.prepare(self.window(start, end)))

    def window(self, start: float, end: float) -> WindowFrames:
        """Return the frames of the window between two times, for ``prepare``."""
        samples = list(self._samples)
        times = [sample.time for sample in samples]
        samples_of = {
            number: [samples[i] for i in _nearest(times, start, end, number)]
            for number in dict.fromkeys(self._numbers.values())
        }
        return WindowFrames(samples_of, self._aspect, self._size)

    def prepare(self, window: WindowFrames) -> PreparedWindow:
        """Prepare a window for ``compute``; any thread may do so, in any order."""
        return on_one_core(lambda: self._prepare(window))

    def compute(self, prepared: PreparedWindow) -> dict[Request, NDArray[Any]]:
        """Return the features of a prepared window, in one thread at a time."""
        self.windows += 1
        self.faults.update(prepared.faults)
        with self._timing.stage("backbone"):
            self._compute(prepared.shared)
            features = self._network.of(prepared.images)
            self._network.forget(KEPT_IMAGES)
        features |= {
            request: request.reduced(
                np.stack([sample.features[request.level] for sample in samples])
            )
            for request, samples in prepared.shared.items()
        }
        return {request: features[request] for request in self._requests}

    def _sample(self, time: float, frame: NDArray[np.uint8]) -> _Sample:
        with self._timing.stage("decode"):
            # A frame of the network's size is not resized; the caller may reuse its memory.
            image = np.array(channels_last(self._backbone.prepare(frame)), order="C")
        joints = None
        if self._joints is not None and self._track is None and self._pose is not None:
            with self._timing.stage("pose"):
                joints = self._joints.of_frame(frame, time)
        return _Sample(self._added, time, SharedFrame(image), joints=joints)

    def _prepare(self, window: WindowFrames) -> PreparedWindow:
        with self._timing.stage("stabilise"):
            card, samples = self._backbone.card, window.frames
            measured = [sample.shared for sample in samples[max(samples)]]
            correction = find_correction(measured, window.aspect)
            if correction:
                samples = {n: _corrected(chosen, correction) for n, chosen in samples.items()}
            views = Views(
                {n: stacked([sample.frame for sample in chosen]) for n, chosen in samples.items()},
                card.prepared_aspect(correction.aspect),
                card.frames_per_slot,
                halves={n: [sample.half for sample in chosen] for n, chosen in samples.items()},
                again={n: _chosen_again(chosen) for n, chosen in samples.items()},
                static=self._static,
                joints=self._joints_at(samples),
            )
            are_shared = not correction or correction.of_each_frame is not None
            shared = {
                request: samples[self._numbers[request]]
                for request in self._requests
                if isinstance(request, FeatureRequest)
                and self._backbone.reads_single_frames
                and are_shared
                and views.shown(request.view).motion is None
            }
            images = views.inputs([request for request in self._requests if request not in shared])
            return PreparedWindow(shared, images, find_faults(correction, window.size))

    def _joints_at(
        self, samples: Mapping[int, Sequence[_Sample]]
    ) -> Mapping[int, NDArray[np.float32]] | None:
        """Return the joints at the frames of a window, by their number; None without joints."""
        if self._joints is None:
            return None
        if self._track is not None:
            times = {n: np.array([sample.time for sample in s]) for n, s in samples.items()}
            return self._joints.at_views(self._track, times, times[max(times)][-1])
        found = {n: [sample.joints for sample in s] for n, s in samples.items()}
        return self._joints.of_frames(found)

    def _compute(self, shared: Mapping[FeatureRequest, Sequence[_Sample]]) -> None:
        """Run the network on frames whose requested levels are not computed yet."""
        samples: dict[int, _Sample] = {}
        needed: dict[int, set[Level]] = {}
        for request, of_request in shared.items():
            for sample in of_request:
                samples[sample.number] = sample
                needed.setdefault(sample.number, set()).add(request.level)
        batches: dict[tuple[Level, ...], list[_Sample]] = {}
        for number, levels in needed.items():
            sample = samples[number]
            if not levels <= sample.features.keys():
                batches.setdefault(self._network.passed(sorted(levels)), []).append(sample)
        for passed, batch in batches.items():
            frames = stacked([sample.frame for sample in batch])
            for level, values in self._backbone.features(frames, passed).items():
                for sample, value in zip(batch, values, strict=True):
                    sample.features[level] = value


def _chosen_again(samples: Sequence[_Sample]) -> NDArray[np.bool_]:
    """Return which frames of a window repeat the frame before: (n) bool."""
    return np.asarray(np.diff([sample.number for sample in samples], prepend=-1) == 0)


def _nearest(times: Sequence[float], start: float, end: float, number: int) -> list[int]:
    """Return the positions of the times nearest to the middles of equal segments of a window."""
    nearest = []
    for k in range(number):
        middle = start + (k + 0.5) * (end - start) / number
        after = min(bisect_left(times, middle), len(times) - 1)
        before = max(after - 1, 0)
        nearest.append(before if middle - times[before] <= times[after] - middle else after)
    return nearest
