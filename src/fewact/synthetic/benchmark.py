"""The synthetic benchmark: labelled videos that are rendered on request."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, OptionError, UnknownNameError, VideoError, did_you_mean
from fewact.core.random import NamedDraws
from fewact.data.videos import Video, VideoList
from fewact.synthetic.classes import PRESETS, MotionClass, classes, preset_of
from fewact.synthetic.rendering import noise_frames, paint_frames
from fewact.synthetic.scene import Scene, Truth, correspondence, draw_scene, draw_truth
from fewact.video import Reading, Sampler, Timeline
from fewact.video.source import Transform, transformed


@dataclass(frozen=True)
class RenderedVideo:
    """Video that a benchmark renders.

    Args:
        id: Id of the video; with the benchmark's version it determines every pixel.
        frames: Number of frames.
        fps: Frames per second.
        render: Function that renders frames: positions (t) → (t h w 3).
    """

    id: str
    frames: int
    fps: float
    render: Callable[[Sequence[int]], NDArray[np.uint8]] = field(repr=False, compare=False)

    def read(self, samplers: Sequence[Sampler], *, transform: Transform | None = None) -> Reading:
        """Render the frames that several samplers choose, see ``VideoSource.read``."""
        timeline = Timeline(np.arange(self.frames) / self.fps, end=self.frames / self.fps)
        chosen_indices = [sampler(timeline) for sampler in samplers]
        if not chosen_indices:
            return Reading([], [], timeline, self.render([0]).shape[1:3])
        requested = np.unique(np.concatenate(chosen_indices))
        if requested[0] < 0 or requested[-1] >= self.frames:
            raise VideoError(self.id, f"no such frame: the video has {self.frames} frames")
        images = self.render(requested.tolist())  # (u h w 3)
        result = transformed(images, transform)
        sets = [result[np.searchsorted(requested, indices)] for indices in chosen_indices]
        return Reading(sets, chosen_indices, timeline, images.shape[1:3])

    def fingerprint(self) -> str:
        """Return the SHA-256 of the id."""
        return hashlib.sha256(self.id.encode()).hexdigest()


VERSION = "motions-1"
"""Version of the benchmark; the pixels of a version never change."""

VIDEOS_PER_CLASS = 40
SIZE = 112
LEAST_FRAMES = 12
LEAST_SIZE = 16
MOST_SIZE = 4096
"""Largest side of a frame, in pixels: a video of 48 frames takes 2.3 GiB."""

FPS = 24
"""Frames per second of the video files."""


@dataclass(frozen=True)
class MotionsBenchmark:
    """Videos of 100 classes that only the order of motions distinguishes.

    ``motions`` builds one and checks its parameters.

    Args:
        preset: Name of the preset.
        seed: Seed of the videos; the classes are the same for all seeds.
        count: Number of videos per class.
        size: Side of a frame, in pixels.
        frames: Smallest and largest number of frames of a video.
    """

    preset: str
    seed: int
    count: int
    size: int
    frames: tuple[int, int]

    @property
    def name(self) -> str:
        """Version, preset and parameters other than the defaults; equal names mean equal pixels."""
        default = preset_of(self.preset).frames
        parts = [VERSION, self.preset]
        parts += [f"seed{self.seed}"] if self.seed else []
        parts += [f"size{self.size}"] if self.size != SIZE else []
        parts += [f"frames{self.frames[0]}to{self.frames[1]}"] if self.frames != default else []
        return "-".join(parts)

    @cached_property
    def videos(self) -> VideoList:
        """All videos: ``count`` of each of 64 training, 12 validation and 24 test classes."""
        return VideoList(
            self.name,
            tuple(
                Video(id, motion.label, motion.split, source=self._source(id))
                for id, (motion, _) in self._motions.items()
            ),
        )

    def truth(self, video_id: str) -> Truth:
        """Return the ground truth of a video: the part that each frame shows, and its phase.

        Raises:
            DataError: The video id is unknown.
        """
        return self._truth(*self._find(video_id))

    def alignment(self, first: str, second: str) -> NDArray[np.bool_]:
        """Return which frames of two videos of a class correspond.

        Args:
            first: Id of one video.
            second: Id of the other video.

        Returns:
            Correspondence (t t'), bool, see ``correspondence``.

        Raises:
            DataError: A video id is unknown, or the videos belong to different classes.
        """
        labels = [self._find(video)[0].label for video in (first, second)]
        if labels[0] != labels[1]:
            raise DataError(
                "videos of different classes have no correct alignment",
                where=self.name,
                got=f'"{labels[0]}" and "{labels[1]}"',
            )
        return correspondence(self.truth(first).progress, self.truth(second).progress)

    def scene(self, video_id: str) -> Scene:
        """Return the state of every object of a video in each frame; lengths are in frame sides.

        Raises:
            DataError: The video id is unknown.
        """
        motion, index = self._find(video_id)
        draws = self._draws(motion, index).of("scene")
        truth = self._truth(motion, index)
        return draw_scene(draws, motion.steps, truth, preset_of(self.preset))

    def render(self, video_id: str, frames: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Render a video.

        Args:
            video_id: Id of the video.
            frames: Positions of the frames, in any order; None for all.

        Returns:
            Frames (t size size 3), uint8, RGB.

        Raises:
            DataError: The video id is unknown, or a position is out of range.
        """
        motion, index = self._find(video_id)
        count = len(self._truth(motion, index).part)
        requested = range(count) if frames is None else frames
        for frame in requested:
            if not 0 <= frame < count:
                raise DataError(
                    "no such frame", where=video_id, got=str(frame), expected=f"0 … {count - 1}"
                )
        scene, preset = self.scene(video_id), preset_of(self.preset)
        draws = self._draws(motion, index)
        if preset.cell:
            return noise_frames(requested, scene, preset, self.size, draws)
        common = self._draws(motion, "looks")
        return paint_frames(requested, scene, preset, self.size, draws, common=common)

    @cached_property
    def _motions(self) -> dict[str, tuple[MotionClass, int]]:
        return {
            f"{self.name}/{number:03d}-{index:03d}": (motion, index)
            for number, motion in enumerate(classes())
            for index in range(self.count)
        }

    def _find(self, video_id: str) -> tuple[MotionClass, int]:
        if video_id not in self._motions:
            raise DataError(
                "unknown video",
                where=self.name,
                got=repr(video_id),
                hint=did_you_mean(str(video_id), self._motions),
            )
        return self._motions[video_id]

    def _draws(self, motion: MotionClass, name: object) -> NamedDraws:
        # The preset is not part of the key: presets make the same videos harder.
        return NamedDraws(VERSION, self.seed, motion.label, name)

    def _source(self, video_id: str) -> RenderedVideo:
        motion, index = self._motions[video_id]
        return RenderedVideo(
            video_id,
            frames=self._length(self._draws(motion, index).of("time")),
            fps=FPS,
            render=partial(self.render, video_id),
        )

    def _length(self, draws: NamedDraws) -> int:
        fewest, largest = self.frames
        return fewest + draws.below("frames", largest - fewest + 1)

    def _truth(self, motion: MotionClass, index: int) -> Truth:
        draws = self._draws(motion, index).of("time")
        parts = tuple(map(str, motion.steps))
        return draw_truth(draws, parts, self._length(draws), preset_of(self.preset))


def motions(
    preset: str = "plain",
    *,
    seed: int = 0,
    videos: int = VIDEOS_PER_CLASS,
    size: int = SIZE,
    frames: int | tuple[int, int] | None = None,
) -> MotionsBenchmark:
    """Build the synthetic benchmark; nothing is rendered yet.

    Args:
        preset: Preset: ``plain``, ``misaligned``, ``moving-camera``, ``distractors``,
            ``appearance-biased``, ``noise`` or ``long``.
        seed: Seed of the videos; the classes are the same for all seeds.
        videos: Number of videos per class; the first ones do not depend on it.
        size: Side of a frame, in pixels; up to 4096.
        frames: Number of frames of a video, or its range; None for the preset's default: 24 to 48,
            and 64 to 512 for ``long``.

    >>> benchmark = motions(videos=1)
    >>> first = benchmark.videos.videos[0]
    >>> first.id, first.label
    ('motions-1-plain/000-000', 'slides left, then rises')
    >>> benchmark.render(first.id, [0, 1]).shape
    (2, 112, 112, 3)
    """
    default = preset_of(preset).frames
    fewest, largest = (frames, frames) if isinstance(frames, int) else frames or default
    for name, got, minimum in (
        ("seed", seed, 0),
        ("videos", videos, 1),
        ("size", size, LEAST_SIZE),
        ("frames", fewest, LEAST_FRAMES),
        ("frames", largest, fewest),
    ):
        if not isinstance(got, int) or got < minimum:
            raise OptionError(
                "out of range", where=name, got=repr(got), expected=f"an integer ≥ {minimum}"
            )
    if size > MOST_SIZE:
        raise OptionError(
            "out of range",
            where="size",
            got=str(size)[:40],
            expected=f"{LEAST_SIZE} to {MOST_SIZE}",
        )
    return MotionsBenchmark(preset, seed, videos, size, (fewest, largest))


def named(
    text: str, *, seed: int = 0, videos: int = VIDEOS_PER_CLASS, size: int = SIZE
) -> MotionsBenchmark:
    """Return the benchmark of a name: ``motions`` or ``motions:PRESET``; options as of ``motions``.

    >>> named("motions:long").name
    'motions-1-long'
    """
    name, colon, preset = text.partition(":")
    if name != "motions" or (colon and not preset):
        raise UnknownNameError(
            "unknown synthetic benchmark",
            got=repr(text),
            expected="motions, " + ", ".join(f"motions:{preset}" for preset in PRESETS),
        )
    return motions(preset or "plain", seed=seed, videos=videos, size=size)
