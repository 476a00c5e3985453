"""Steps of reading a video: by a simulated camera, and in a condition such as dark or cut badly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fewact.data.videos import Video, VideoList
from fewact.synthetic.conditions import (
    PICTURES,
    TIMELINES,
    Condition,
    compress,
    parse_condition,
    picture,
    timeline,
)
from fewact.synthetic.simulated_cameras import SimulatedCamera, record, seed_of, simulated_camera
from fewact.video import EveryNth, Reading, Sampler, Timeline
from fewact.video.source import Transform, VideoSource, transformed

if TYPE_CHECKING:
    from fewact.video.timeline import Ints, RGBImage

MAX_COMPRESSED = 400
"""Most frames of a video that are encoded."""


@dataclass(frozen=True)
class Recorded:
    """A video is recorded with a simulated camera, at its own size.

    Args:
        camera: Simulated camera.
        seed: Seed of the camera's path.
    """

    camera: SimulatedCamera
    seed: int = 0

    @property
    def others(self) -> Sequence[VideoSource]:
        """No other videos."""
        return ()

    @property
    def change(self) -> str:
        """Camera and seed."""
        return f"{self.camera!r} {self.seed}"

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        reading = source.read(samplers)
        recorded = [
            record(frames, reading.times(number), self.camera, self.seed)
            for number, frames in enumerate(reading)
        ]
        return _shown(reading, recorded, transform)


@dataclass(frozen=True)
class InCondition:
    """A video is shown in a condition, at its own size.

    Args:
        condition: Condition.
        seed: Seed of what is drawn at random.
        others: Videos that ``loose`` shows before and after the action; empty for the video itself.
    """

    condition: Condition
    seed: int = 0
    others: tuple[VideoSource, ...] = ()

    @property
    def change(self) -> str:
        """Condition and seed."""
        return f"{self.condition} {self.seed}"

    def read(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        name = self.condition.name
        if name in TIMELINES:
            return self._retimed(source, samplers, transform)
        if name in PICTURES:
            reading = source.read(samplers)
            pictures = [
                picture(frames, reading.times(number), self.condition, self.seed)
                for number, frames in enumerate(reading)
            ]
            return _shown(reading, pictures, transform)
        if name == "compressed":
            return self._compressed(source, samplers, transform)
        return self._loose(source, samplers, transform)

    def _retimed(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        def of_source(sampler: Sampler) -> Sampler:
            def choose(shown: Timeline) -> "Ints":
                changed, frames = timeline(self.condition, self.seed, shown)
                return frames[sampler(changed)]

            return choose

        reading = source.read(list(map(of_source, samplers)), transform=transform)
        changed, _ = timeline(self.condition, self.seed, reading.timeline)
        return replace(reading, chosen=[sampler(changed) for sampler in samplers], timeline=changed)

    def _compressed(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        reading = source.read([_spread])
        shown, frames = reading.timeline, reading.frames[0]
        frames = compress(frames, len(frames) / shown.end, self.condition.strength)
        if shown.n > len(frames):
            shown = Timeline(shown.times[reading.chosen[0]], shown.end)
        chosen = [sampler(shown) for sampler in samplers]
        reading = replace(reading, chosen=chosen, timeline=shown)
        return _shown(reading, [frames[indices] for indices in chosen], transform)

    def _loose(
        self, source: VideoSource, samplers: Sequence[Sampler], transform: Transform | None
    ) -> Reading:
        """Show the action between parts of two other videos, each half of what it leaves free."""
        before, after = self.others or (source, source)
        videos = (before, source, after)
        timelines = [video.read([EveryNth(1, 1)]).timeline for video in videos]
        action = timelines[1]
        padding = action.n * (1 / self.condition.strength - 1)
        early = round(padding * np.random.default_rng(self.seed).uniform(0.3, 0.7))
        counts = [early, action.n, round(padding) - early]
        joined = Timeline(np.arange(sum(counts)) / action.fps, sum(counts) / action.fps)
        # The other videos are shown from their first frame on, again and again.
        part = np.repeat(np.arange(3), counts)
        frame = np.concatenate(
            [np.arange(n) % shown.n for n, shown in zip(counts, timelines, strict=True)]
        )
        chosen = [sampler(joined) for sampler in samplers]
        needed = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
        images: dict[int, RGBImage] = {}
        size: tuple[int, ...] | None = None
        for number in (1, 0, 2):
            positions = needed[part[needed] == number]
            # If no frame of the action is chosen, one is read for its size.
            shown = frame[positions] if len(positions) or number != 1 else np.zeros(1, np.int64)
            if len(shown):
                (frames,) = videos[number].read([_Fixed(shown)])
                size = size or frames.shape[1:3]
                images |= zip(positions.tolist(), _resized(frames, size), strict=False)
        sets = [np.stack([images[int(i)] for i in indices]) for indices in chosen]
        return _shown(Reading(sets, chosen, joined, (1, 1)), sets, transform)


def _shown(reading: Reading, frames: "Sequence[RGBImage]", transform: Transform | None) -> Reading:
    """Return a reading with other frames."""
    size = frames[0].shape[1:3] if frames else reading.size
    sets = [transformed(images, transform) for images in frames]
    return replace(reading, frames=sets, size=size, quantiser=None)


@dataclass(frozen=True, eq=False)
class _Fixed:
    """Sampler that chooses known frames."""

    frames: "Ints"

    def __call__(self, timeline: Timeline) -> "Ints":
        return self.frames


def _spread(timeline: Timeline) -> "Ints":
    """Choose all frames, or ``MAX_COMPRESSED`` that are evenly spread."""
    count = min(MAX_COMPRESSED, timeline.n)
    return np.arange(count) * timeline.n // count


def _resized(frames: "RGBImage", size: Sequence[int]) -> "RGBImage":
    """Return frames (t h w 3) of another size."""
    import torch
    from torch.nn import functional

    if frames.shape[1:3] == tuple(size):
        return frames
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    resized = functional.interpolate(images, list(size), mode="bilinear", antialias=True)
    pictures: RGBImage = resized.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures


def with_simulated_camera(videos: VideoList, name: str, seed: int = 0) -> VideoList:
    """Return the same videos, each recorded with a simulated camera on another path.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
        name: Name of the camera, see ``fewact.synthetic.simulated_cameras.CAMERAS``.
        seed: Seed of the paths.

    Raises:
        OptionError: The camera is unknown.
    """
    camera = simulated_camera(name)
    return videos.processed(
        lambda video: Recorded(camera, seed_of(seed, video.id)), f"camera: {name}"
    )


def with_condition(
    videos: VideoList, condition: str, seed: int = 0, *, others: VideoList | None = None
) -> VideoList:
    """Return the same videos, each in a condition.

    ``loose`` shows videos of other classes before and after each video; of the same group where
    there are any, so that no person or recording of the queries gets into the support. If these
    are classes of the list, an episode may have them as ways, and a clip shows several of its ways.

    Args:
        videos: List of videos; its digest, and so its episodes, stay the same.
        condition: Name and severity, see ``fewact.synthetic.conditions.parse_condition``.
        seed: Seed of what is drawn at random.
        others: Videos that ``loose`` shows before and after; None for those of the list.

    Raises:
        OptionError: There is no such condition.
    """
    parsed = parse_condition(condition)

    def step(video: Video) -> InCondition:
        own = seed_of(seed, video.id)
        shown = _others(others or videos, video, own) if parsed.name == "loose" else ()
        return InCondition(parsed, own, shown)

    return videos.processed(step, f"condition: {parsed}")


def _others(videos: VideoList, video: Video, seed: int) -> tuple[VideoSource, ...]:
    """Draw two videos that show something else; none if there are none."""
    different = [other for other in videos.videos if other.source and other.label != video.label]
    near = [other for other in different if other.group == video.group] or different
    rng = np.random.default_rng(seed)
    drawn = [near[rng.integers(len(near))].source for _ in range(2)] if near else []
    return tuple(source for source in drawn if source is not None)
