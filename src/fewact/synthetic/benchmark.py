"""The synthetic benchmark: labelled videos that are rendered when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from fewact.data.videos import Video, VideoList
from fewact.errors import DataError, OptionError, UnknownNameError, did_you_mean
from fewact.random import NamedDraws
from fewact.synthetic import presets
from fewact.synthetic.classes import MotionClass, classes
from fewact.synthetic.rendered import Rendered
from fewact.synthetic.scene import Scene, draw_scene
from fewact.synthetic.truth import Truth, correspondence, draw_truth
from fewact.synthetic.view import draw_view

VERSION = "motions-1"
"""Videos of a version never change by a pixel; what changes one is another version."""

VIDEOS, SIZE = 40, 112
LEAST_FRAMES, LEAST_SIZE = 12, 16

FPS = 24
"""Frames a second of a video that is written."""


@dataclass(frozen=True)
class MotionsBenchmark:
    """Videos of 100 classes that only the order of motions tells apart.

    ``motions`` makes one, and checks what it is made of.

    Args:
        preset: What is made harder.
        seed: Another one gives other videos of the same classes.
        count: Videos of a class.
        size: Side of a frame, in pixels.
        frames: Least and most frames of a video.
    """

    preset: str
    seed: int
    count: int
    size: int
    frames: tuple[int, int]

    @property
    def name(self) -> str:
        """Version, preset and whatever is not as usual: what names the same has the same pixels."""
        usual = presets.preset(self.preset).frames
        parts = [VERSION, self.preset]
        parts += [f"seed{self.seed}"] if self.seed else []
        parts += [f"size{self.size}"] if self.size != SIZE else []
        parts += [f"frames{self.frames[0]}to{self.frames[1]}"] if self.frames != usual else []
        return "-".join(parts)

    @cached_property
    def videos(self) -> VideoList:
        """All videos: ``count`` of each of 64 classes to train, 12 to validate, 24 to test."""
        found = self._found.items()
        return VideoList(
            self.name,
            tuple(
                Video(id, kind.label, kind.split, source=self._footage(id))
                for id, (kind, _) in found
            ),
        )

    def truth(self, video_id: str) -> Truth:
        """Which frame of a video shows which part, and how much of it is done.

        Raises:
            DataError: There is no video of this id.
        """
        return self._truth(*self._find(video_id))

    def alignment(self, first: str, second: str) -> NDArray[np.bool_]:
        """Which frames of two videos of a class show the same.

        Args:
            first: Id of a video.
            second: Id of another.

        Returns:
            (t t'), see ``correspondence``.

        Raises:
            DataError: There is no such video, or they are of two classes.
        """
        kinds = [self._find(video)[0].label for video in (first, second)]
        if kinds[0] != kinds[1]:
            raise DataError(
                "only videos of one class have a right alignment",
                where=self.name,
                got=f'"{kinds[0]}" and "{kinds[1]}"',
            )
        return correspondence(self.truth(first).progress, self.truth(second).progress)

    def scene(self, video_id: str) -> Scene:
        """Where every object of a video is in each frame, in picture sides.

        Raises:
            DataError: There is no video of this id.
        """
        kind, index = self._find(video_id)
        draws = self._draws(kind, index).of("scene")
        truth = self._truth(kind, index)
        return draw_scene(draws, kind.steps, truth, presets.preset(self.preset))

    def render(self, video_id: str, frames: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """Render a video.

        Args:
            video_id: Which.
            frames: Positions of the frames wanted, in any order; None for all.

        Returns:
            (t size size 3), RGB.

        Raises:
            DataError: There is no video of this id, or no frame at a position.
        """
        kind, index = self._find(video_id)
        count = len(self._truth(kind, index).part)
        wanted = range(count) if frames is None else frames
        for frame in wanted:
            if not 0 <= frame < count:
                raise DataError(
                    "has no such frame", where=video_id, got=str(frame), expected=f"0 … {count - 1}"
                )
        view = draw_view(
            self._draws(kind, index),
            common=self._draws(kind, "looks"),
            scene=self.scene(video_id),
            preset=presets.preset(self.preset),
            frames=count,
            size=self.size,
        )
        made = np.empty((len(wanted), self.size, self.size, 3), dtype=np.uint8)
        for place, picture in enumerate(view.paint(wanted)):
            made[place] = picture
        return made

    @cached_property
    def _found(self) -> dict[str, tuple[MotionClass, int]]:
        return {
            f"{self.name}/{place:03d}-{index:03d}": (kind, index)
            for place, kind in enumerate(classes())
            for index in range(self.count)
        }

    def _find(self, video_id: str) -> tuple[MotionClass, int]:
        if video_id not in self._found:
            raise DataError(
                "there is no video of this id",
                where=self.name,
                got=repr(video_id),
                hint=did_you_mean(str(video_id), self._found),
            )
        return self._found[video_id]

    def _draws(self, kind: MotionClass, name: object) -> NamedDraws:
        # Without the preset: a video of one is that of another made harder.
        return NamedDraws(VERSION, self.seed, kind.label, name)

    def _footage(self, video_id: str) -> Rendered:
        kind, index = self._found[video_id]
        return Rendered(
            video_id,
            frames=self._length(self._draws(kind, index).of("time")),
            fps=FPS,
            render=partial(self.render, video_id),
        )

    def _length(self, draws: NamedDraws) -> int:
        fewest, most = self.frames
        return fewest + draws.below("frames", most - fewest + 1)

    def _truth(self, kind: MotionClass, index: int) -> Truth:
        draws = self._draws(kind, index).of("time")
        parts = tuple(map(str, kind.steps))
        return draw_truth(draws, parts, self._length(draws), presets.preset(self.preset))


def motions(
    preset: str = "plain",
    *,
    seed: int = 0,
    videos: int = VIDEOS,
    size: int = SIZE,
    frames: int | tuple[int, int] | None = None,
) -> MotionsBenchmark:
    """Make the synthetic benchmark; nothing is rendered yet.

    Args:
        preset: ``plain``, ``misaligned``, ``moving-camera``, ``distractors``,
            ``appearance-biased`` or ``long``.
        seed: Another one gives other videos of the same classes.
        videos: How many of each class; the first ones do not depend on it.
        size: Side of a frame, in pixels.
        frames: How many a video has, or the least and the most; None as usual for the preset:
            24 to 48, and 64 to 512 where it is long.

    Raises:
        UnknownNameError: There is no preset of this name.
        OptionError: A number that is not accepted.

    >>> benchmark = motions(videos=1)
    >>> first = benchmark.videos.videos[0]
    >>> first.id, first.label
    ('motions-1-plain/000-000', 'slides left, then rises')
    >>> benchmark.render(first.id, [0, 1]).shape
    (2, 112, 112, 3)
    """
    usual = presets.preset(preset).frames
    fewest, most = (frames, frames) if isinstance(frames, int) else frames or usual
    for name, got, least in (
        ("seed", seed, 0),
        ("videos", videos, 1),
        ("size", size, LEAST_SIZE),
        ("frames", fewest, LEAST_FRAMES),
        ("frames", most, fewest),
    ):
        if not isinstance(got, int) or got < least:
            raise OptionError(
                "is not accepted", where=name, got=repr(got), expected=f"a whole number, ≥ {least}"
            )
    return MotionsBenchmark(preset, seed, videos, size, (fewest, most))


def named(text: str, *, seed: int = 0, videos: int = VIDEOS, size: int = SIZE) -> MotionsBenchmark:
    """The benchmark that ``motions`` or ``motions:PRESET`` names, as on the command line.

    Args:
        text: The name.
        seed: As in ``motions``.
        videos: As in ``motions``.
        size: As in ``motions``.

    Raises:
        UnknownNameError: There is no benchmark or preset of this name.
        OptionError: A number that is not accepted.

    >>> named("motions:long").name
    'motions-1-long'
    """
    name, colon, preset = text.partition(":")
    if name != "motions" or (colon and not preset):
        raise UnknownNameError(
            "this is no synthetic benchmark",
            got=repr(text),
            expected="motions, " + ", ".join(f"motions:{preset}" for preset in presets.PRESETS),
        )
    return motions(preset or "plain", seed=seed, videos=videos, size=size)
