"""Footage filmed anew by a simulated camera."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewact.data.video_source import Transform, VideoSource, transformed
from fewact.data.videos import VideoList

if TYPE_CHECKING:
    from fewact.camera.simulated import Camera
    from fewact.video import Sampler, Timeline


@dataclass(frozen=True)
class SimulatedCameraVideo:
    """What a simulated camera sees of a video.

    Args:
        source: The video, read at its own size.
        camera: How it moves.
        seed: RandomStream its way.
    """

    source: VideoSource
    camera: "Camera"
    seed: int = 0

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> list[NDArray[Any]]:
        """Read what several samplers choose, as ``Footage`` says."""
        from fewact.camera.simulated import film

        noted = [_Noted(sampler) for sampler in samplers]
        sets = self.source.read(noted)
        with_simulated_camera = [
            film(frames, note.moments, self.camera, self.seed)
            for frames, note in zip(sets, noted, strict=True)
        ]
        return [transformed(frames, transform) for frames in with_simulated_camera]

    def fingerprint(self) -> str:
        """SHA-256 of the video's, the camera and the seed."""
        facts = f"{self.source.fingerprint()} {self.camera!r} {self.seed}"
        return hashlib.sha256(facts.encode()).hexdigest()


class _Noted:
    """A sampler that remembers when the frames that it chose are shown."""

    def __init__(self, sampler: Callable[["Timeline"], NDArray[np.int64]]) -> None:
        self._sampler = sampler
        self.moments = np.zeros(0)

    def __call__(self, timeline: "Timeline") -> NDArray[np.int64]:
        chosen = self._sampler(timeline)
        self.moments = timeline.times[chosen] / timeline.end  # (t,)
        return chosen


def simulated_cameras(videos: VideoList) -> str:
    """By which cameras and on which ways videos are filmed; empty where none is."""
    return "".join(
        f" {video.id} {video.source.camera!r} {video.source.seed}"
        for video in videos.videos
        if isinstance(video.source, SimulatedCameraVideo)
    )


def with_simulated_camera(videos: VideoList, name: str, seed: int = 0) -> VideoList:
    """The same videos, each filmed by a camera of this kind on a way of its own.

    Args:
        videos: The list; its digest, and so its episodes, stay as they are.
        name: Of the camera, see ``video.camera.CAMERAS``.
        seed: Another one draws other ways.

    Raises:
        OptionError: There is no such camera.
    """
    from fewact.camera.simulated import camera, seed_of

    taken = camera(name)
    moving = tuple(
        video
        if video.source is None
        else replace(
            video, source=SimulatedCameraVideo(video.source, taken, seed_of(seed, video.id))
        )
        for video in videos.videos
    )
    return replace(videos, videos=moving, flags=(*videos.flags, f"camera: {name}"))
