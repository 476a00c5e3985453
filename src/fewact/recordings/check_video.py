"""The video of the windows that a person checks: one after the other, each after a title."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fewact.recordings.event_text import clock_time
from fewact.recordings.fonts import Font, font_of
from fewact.video.reading import probe, read_frame_sets
from fewact.video.samplers import EveryNth, RGBImage
from fewact.video.writing import timed_video

TITLE_SECONDS = 2.0
"""Duration of the title before each window."""

LARGEST_WIDTH = 640
"""Largest width of the video, in pixels."""

SMALLEST_WIDTH = 320
"""Smallest width of the video, in pixels."""

PIECE_READ = 10.0
"""Seconds that are read at once."""


@dataclass(frozen=True)
class Excerpt:
    """A window of a recording.

    Args:
        path: Recording.
        start: Start in the recording, in seconds.
        end: End in the recording, in seconds.
        shown: Start in the video, in seconds.
    """

    path: Path
    start: float
    end: float
    shown: float


def starts(lengths: Sequence[float]) -> list[float]:
    """Return where windows of these durations start in the video, in seconds.

    >>> starts([10, 9.5])
    [2.0, 14.0]
    """
    ends = np.cumsum([TITLE_SECONDS + length for length in lengths])
    return [round(float(end) - length, 3) for end, length in zip(ends, lengths, strict=True)]


def write_check_video(
    path: Path, excerpts: Sequence[Excerpt], show: Callable[[int, int], None]
) -> None:
    """Write the windows in their order; below each frame are its window and its time in the video.

    Args:
        path: Video to write.
        excerpts: Windows.
        show: Called with the numbers of written and of all windows.
    """
    first = probe(excerpts[0].path)
    width = min(LARGEST_WIDTH, max(SMALLEST_WIDTH, first.width)) // 2 * 2
    height = max(2, round(width * first.height / first.width / 2) * 2)
    canvas = _Canvas(width, height)
    with timed_video(path, first.fps) as video:
        for number, excerpt in enumerate(excerpts, start=1):
            what = f"window {number} of {len(excerpts)}"
            of = f"{clock_time(excerpt.start)} to {clock_time(excerpt.end)}"
            title = canvas.title((what, excerpt.path.name, of))
            begin = excerpt.shown - TITLE_SECONDS
            for i in range(math.floor(TITLE_SECONDS * first.fps)):
                time = begin + i / first.fps
                video.write(canvas.with_line(title, f"{time:.1f} s"), time)
            for time, image in _frames(excerpt, canvas.fitted):
                at = excerpt.shown + time
                video.write(canvas.with_line(image, f"{what}   {at:.1f} s"), at)
            show(number, len(excerpts))


def _frames(
    excerpt: Excerpt, transform: Callable[[RGBImage], RGBImage]
) -> Iterator[tuple[float, RGBImage]]:
    """Yield the frames of a window with their times from its start, in seconds."""
    begin, last = excerpt.start, -1.0
    while begin < excerpt.end:
        end = min(begin + PIECE_READ, excerpt.end)
        end = excerpt.end if excerpt.end - end < PIECE_READ / 2 else end
        read = read_frame_sets(
            excerpt.path, [EveryNth(1)], start=begin, end=end, transform=transform
        )
        times = read.timeline.times[read.chosen[0]] + begin - excerpt.start
        for time, image in zip(times.tolist(), read.frames[0], strict=True):
            if time > last:
                yield time, image
                last = time
        begin = end


class _Canvas:
    """Images of one size, with a line of text below."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._bar = max(18, height // 20) // 2 * 2
        self._font: Font = font_of("", self._bar * 2 // 3)

    def fitted(self, image: RGBImage) -> RGBImage:
        """Return an image (h w 3) in the size of all, with black bars where it has another form."""
        picture = Image.fromarray(image)
        factor = min(self._size[0] / picture.width, self._size[1] / picture.height)
        size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
        full = Image.new("RGB", self._size)
        left, top = ((a - b) // 2 for a, b in zip(self._size, size, strict=True))
        full.paste(picture.resize(size, Image.Resampling.BILINEAR), (left, top))
        fitted: RGBImage = np.asarray(full)
        return fitted

    def title(self, lines: Sequence[str]) -> RGBImage:
        """Return an image with lines of text in its middle."""
        picture = Image.new("RGB", self._size)
        middle = self._size[0] // 2, self._size[1] // 2
        text, font = "\n".join(lines), font_of("".join(lines), self._bar)
        draw = ImageDraw.Draw(picture)
        draw.multiline_text(middle, text, "white", font, "mm", align="center")
        image: RGBImage = np.asarray(picture)
        return image

    def with_line(self, image: RGBImage, text: str) -> RGBImage:
        """Return an image with a line of text below it."""
        line = Image.new("RGB", (self._size[0], self._bar))
        ImageDraw.Draw(line).text((8, self._bar // 2), text, "white", self._font, "lm")
        return np.concatenate([image, np.asarray(line)])
