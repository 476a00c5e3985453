"""Videos recorded with a simulated camera."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fewact.data.video_source import ChangedSource, Transform, VideoSource, transformed
from fewact.data.videos import VideoList

if TYPE_CHECKING:
    from fewact.synthetic.simulated_cameras import SimulatedCamera
    from fewact.video import FrameSets, Sampler


@dataclass(frozen=True)
class SimulatedCameraVideo(ChangedSource):
    """Video recorded with a simulated camera.

    Args:
        source: Original video, read at its own size.
        camera: Simulated camera.
        seed: Seed of the camera's path.
    """

    source: VideoSource
    camera: "SimulatedCamera"
    seed: int = 0

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.synthetic.simulated_cameras import record
        from fewact.video import FrameSets
        from fewact.video.samplers import NotedSampler

        timed = [NotedSampler(sampler) for sampler in samplers]
        sets = self.source.read(timed)
        recorded = [
            record(frames, sampler.times, self.camera, self.seed)
            for frames, sampler in zip(sets, timed, strict=True)
        ]
        size = recorded[0].shape[1:3] if recorded else sets.size
        return FrameSets((transformed(frames, transform) for frames in recorded), size)

    @property
    def change(self) -> str:
        """Camera and seed."""
        return f"{self.camera!r} {self.seed}"


def with_simulated_camera(videos: VideoList, name: str, seed: int = 0) -> VideoList:
    """Return the same videos, each recorded with a simulated camera on another path.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
        name: Name of the camera, see ``fewact.synthetic.simulated_cameras.CAMERAS``.
        seed: Seed of the paths.

    Raises:
        OptionError: The camera is unknown.
    """
    from fewact.synthetic.simulated_cameras import seed_of, simulated_camera

    camera = simulated_camera(name)
    return videos.with_sources(
        lambda video, source: SimulatedCameraVideo(source, camera, seed_of(seed, video.id)),
        f"camera: {name}",
    )
