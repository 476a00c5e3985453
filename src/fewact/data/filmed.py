"""Footage filmed anew by a simulated camera."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewact.data.footage import Footage, Transform, transformed
from fewact.data.videos import VideoList

if TYPE_CHECKING:
    from fewact.video import Sampler, Timeline
    from fewact.video.camera import Camera


@dataclass(frozen=True)
class Filmed:
    """What a simulated camera sees of a video.

    Args:
        footage: The video, read at its own size.
        camera: How it moves.
        seed: Draws its way.
    """

    footage: Footage
    camera: "Camera"
    seed: int = 0

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> list[NDArray[Any]]:
        """Read what several samplers choose, as ``Footage`` says."""
        from fewact.video.camera import film

        noted = [_Noted(sampler) for sampler in samplers]
        sets = self.footage.read(noted)
        filmed = [
            film(frames, note.moments, self.camera, self.seed)
            for frames, note in zip(sets, noted, strict=True)
        ]
        return [transformed(frames, transform) for frames in filmed]

    def fingerprint(self) -> str:
        """SHA-256 of the video's, the camera and the seed."""
        facts = f"{self.footage.fingerprint()} {self.camera!r} {self.seed}"
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


def ways(videos: VideoList) -> str:
    """By which cameras and on which ways videos are filmed; empty where none is."""
    return "".join(
        f" {video.id} {video.footage.camera!r} {video.footage.seed}"
        for video in videos.videos
        if isinstance(video.footage, Filmed)
    )


def filmed(videos: VideoList, name: str, seed: int = 0) -> VideoList:
    """The same videos, each filmed by a camera of this kind on a way of its own.

    Args:
        videos: The list; its digest, and so its episodes, stay as they are.
        name: Of the camera, see ``video.camera.CAMERAS``.
        seed: Another one draws other ways.

    Raises:
        OptionError: There is no such camera.
    """
    from fewact.video.camera import camera, seed_of

    taken = camera(name)
    moving = tuple(
        video
        if video.footage is None
        else replace(video, footage=Filmed(video.footage, taken, seed_of(seed, video.id)))
        for video in videos.videos
    )
    return replace(videos, videos=moving, flags=(*videos.flags, f"camera: {name}"))
