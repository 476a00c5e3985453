"""Videos in a condition: dark, grainy, cut badly; see ``fewact.synthetic.conditions``."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fewact.data.video_source import ChangedSource, Transform, VideoSource, transformed
from fewact.data.videos import Video, VideoList

if TYPE_CHECKING:
    from fewact.synthetic.conditions import Condition
    from fewact.video import FrameSets, Sampler, Timeline
    from fewact.video.timeline import Ints, RGBImage

MAX_COMPRESSED = 400
"""Most frames of a video that are encoded."""


@dataclass(frozen=True)
class ConditionVideo(ChangedSource):
    """Video in a condition.

    Args:
        source: Original video, read at its own size.
        condition: Condition.
        seed: Seed of what is drawn at random.
        before: Video that ``loose`` shows before the action.
        after: Video that ``loose`` shows after it.
    """

    source: VideoSource
    condition: "Condition"
    seed: int = 0
    before: VideoSource | None = None
    after: VideoSource | None = None

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.synthetic.conditions import PICTURES, TIMELINES
        from fewact.video import FrameSets

        if self.condition.name in TIMELINES:
            return self.source.read([self._retimed(one) for one in samplers], transform=transform)
        if self.condition.name in PICTURES:
            sets = self._pictures(samplers)
        elif self.condition.name == "compressed":
            sets = self._compressed(samplers)
        else:
            sets = self._loose(samplers)
        size = sets[0].shape[1:3] if sets else (1, 1)
        return FrameSets((transformed(frames, transform) for frames in sets), size)

    @property
    def change(self) -> str:
        """Condition and seed."""
        return f"{self.condition} {self.seed}"

    def fingerprint(self) -> str:
        """Return the SHA-256 of the videos' fingerprints, the condition and the seed."""
        parts = [one.fingerprint() for one in (self.source, self.before, self.after) if one]
        return hashlib.sha256(f"{parts} {self.change}".encode()).hexdigest()

    def _retimed(self, sampler: "Sampler") -> "Sampler":
        from fewact.synthetic.conditions import timeline

        def choose(shown: "Timeline") -> "Ints":
            changed, frames = timeline(self.condition, self.seed, shown)
            return frames[sampler(changed)]

        return choose

    def _pictures(self, samplers: Sequence["Sampler"]) -> list["RGBImage"]:
        from fewact.synthetic.conditions import picture
        from fewact.video.samplers import NotedSampler

        timed = [NotedSampler(sampler) for sampler in samplers]
        sets = self.source.read(timed)
        return [
            picture(frames, sampler.times, self.condition, self.seed)
            for frames, sampler in zip(sets, timed, strict=True)
        ]

    def _compressed(self, samplers: Sequence["Sampler"]) -> list["RGBImage"]:
        from fewact.synthetic.conditions import compress
        from fewact.video import Timeline
        from fewact.video.samplers import NotedSampler

        every = NotedSampler(_spread)
        (frames,) = self.source.read([every])
        shown = every.timeline
        frames = compress(frames, len(frames) / shown.end, self.condition.strength)
        if shown.n > len(frames):
            shown = Timeline(shown.times[every.chosen], shown.end)
        return [frames[sampler(shown)] for sampler in samplers]

    def _loose(self, samplers: Sequence["Sampler"]) -> list["RGBImage"]:
        """Show the action between parts of two other videos, each half of what it leaves free."""
        from fewact.video import Timeline

        parts = [self.before or self.source, self.source, self.after or self.source]
        lines = [_timeline(part) for part in parts]
        own = lines[1]
        padding = own.n * (1 / self.condition.strength - 1)
        early = round(padding * np.random.default_rng(self.seed).uniform(0.3, 0.7))
        counts = [early, own.n, round(padding) - early]
        joined = Timeline(np.arange(sum(counts)) / own.fps, sum(counts) / own.fps)
        # The other videos are shown from their first frame on, again and again.
        part = np.repeat(np.arange(3), counts)
        frame = np.concatenate([np.arange(n) % one.n for n, one in zip(counts, lines, strict=True)])
        chosen = [sampler(joined) for sampler in samplers]
        wanted = np.unique(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
        images: dict[int, RGBImage] = {}
        size: tuple[int, ...] | None = None
        for number in (1, 0, 2):
            these = wanted[part[wanted] == number]
            # If no frame of the action is chosen, one is read for its size.
            shown = frame[these] if len(these) or number != 1 else np.zeros(1, np.int64)
            if len(shown):
                (found,) = parts[number].read([_Fixed(shown)])
                size = size or found.shape[1:3]
                images |= zip(these.tolist(), _resized(found, size), strict=False)
        return [np.stack([images[int(i)] for i in one]) for one in chosen]


@dataclass(frozen=True, eq=False)
class _Fixed:
    """Sampler that chooses known frames."""

    frames: "Ints"

    def __call__(self, timeline: "Timeline") -> "Ints":
        return self.frames


def _spread(timeline: "Timeline") -> "Ints":
    """Choose all frames, or ``MAX_COMPRESSED`` that are evenly spread."""
    count = min(MAX_COMPRESSED, timeline.n)
    return np.arange(count) * timeline.n // count


def _timeline(source: VideoSource) -> "Timeline":
    from fewact.video.samplers import EveryNth, NotedSampler

    probe = NotedSampler(EveryNth(1, 1))
    source.read([probe])
    return probe.timeline


def _resized(frames: "RGBImage", size: Sequence[int]) -> "RGBImage":
    """Return frames (t h w 3) of another size."""
    import torch
    from torch.nn import functional

    if frames.shape[1:3] == tuple(size):
        return frames
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    resized = functional.interpolate(images, list(size), mode="bilinear", antialias=True)
    found: RGBImage = resized.permute(0, 2, 3, 1).contiguous().numpy()
    return found


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
    from fewact.synthetic.conditions import parse_condition
    from fewact.synthetic.simulated_cameras import seed_of

    parsed = parse_condition(condition)

    def changed(video: Video, source: VideoSource) -> VideoSource:
        own = seed_of(seed, video.id)
        before, after = None, None
        if parsed.name == "loose":
            before, after = _others(others or videos, video, own)
        return ConditionVideo(source, parsed, own, before, after)

    return videos.with_sources(changed, f"condition: {parsed}")


def _others(videos: VideoList, video: Video, seed: int) -> list[VideoSource | None]:
    """Draw two videos that show something else."""
    different = [one for one in videos.videos if one.source and one.label != video.label]
    near = [one for one in different if one.group == video.group] or different
    rng = np.random.default_rng(seed)
    return [near[rng.integers(len(near))].source if near else None for _ in range(2)]
