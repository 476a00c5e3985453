"""Events, counts and a bar of events, drawn on the planes of frames."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from operator import attrgetter

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fewact.recordings.event_text import clock_time, title
from fewact.recordings.fonts import Font, check_font, font_of, shortened
from fewact.recordings.formats import Event
from fewact.report import svg
from fewact.video.writing import Planes, planes_of

LEAST_SHOWN_SIDE = 360
"""Smaller frames are enlarged, by an integer factor, so that text is legible."""

MOST_SHOWN_SIDE = 4096
"""No side is enlarged beyond this: a thin frame would become larger than encoders can take."""

TEXT_HEIGHT = 1 / 24
"""Height of text, as a fraction of the smaller side of the frame."""

LIVE_SPAN = 60.0
"""Seconds of a recording without a known end that the bar of events shows."""

MOST_COUNTS = 8
"""Number of classes whose counts are shown: the most frequent classes."""

OPAQUE = np.uint16(255)

HALF_OPAQUE = np.uint16(127)
"""Value that is added before a division by ``OPAQUE``, so that it rounds."""

PANEL_COLOUR = (16, 22, 29, 190)
TEXT_COLOUR = (255, 255, 255, 255)

LABEL_OPACITY = 230


class Overlay:
    """Draws events, counts and a bar of events on frames, whose times ascend.

    Args:
        labels: Classes, in the order of their colours.
        duration: Duration of the recording, in seconds, which the bar of events shows; None for the
            last minute.
    """

    def __init__(self, labels: Sequence[str], duration: float | None = None) -> None:
        self._colours = {
            label: _rgba(svg.COLOURS[i % len(svg.COLOURS)]) for i, label in enumerate(labels)
        }
        self._duration = duration
        self._past: deque[Event] = deque()
        self._ahead: deque[Event] = deque()
        self._counts: Counter[str] = Counter()
        self._bar: _Panel | None = None
        self._letters = "".join(sorted(set("".join(labels))))
        check_font(labels)

    def add(self, events: Iterable[Event]) -> None:
        """Add complete events, in the order of their starts."""
        self._ahead.extend(events)
        self._bar = None

    def draw(self, time: float, planes: Planes, going_on: Sequence[Event] = ()) -> Planes:
        """Return the planes of a time's frame with events drawn on it; small frames are enlarged.

        The planes, YUV 4:2:0, are not changed: to RGB and back would take longer than the drawing.
        Events that go on are not complete yet.
        """
        picture = _Picture(_enlarged(planes))
        size = max(10, round(min(picture.width, picture.height) * TEXT_HEIGHT / 2) * 2)
        font = font_of(self._letters, size)
        self._finish(time)
        near = [*takewhile(lambda event: event.start <= time, self._ahead), *going_on]
        shown = [event for event in near if event.start <= time < event.end]
        margin = size // 2
        widest = picture.width - 2 * margin
        scale = picture.width / planes.shape[1]
        shown.sort(key=attrgetter("start"))
        for event in filter(attrgetter("box"), shown):
            panel = self._panel_of(event, font, widest)
            scaled = [side * scale for side in event.box or ()]
            picture.paste(panel, self._draw_box(picture, event, scaled, panel))
        if shown and shown[-1].box is None:
            picture.paste(self._panel_of(shown[-1], font, widest), (margin, margin))
        counts = _lines(self._counts + _performed(near, time))
        if counts:
            panel = _panel(counts, font, PANEL_COLOUR, widest)
            # Beside each label or below each, so that it stays where it is.
            beside = _widest_label(tuple(self._colours), font) + margin + panel.width <= widest
            top = margin if beside else 2 * margin + _height(1, font)
            picture.paste(panel, (picture.width - panel.width - margin, top))
        self._draw_bar(picture, time, going_on, size)
        clock = _panel((("", clock_time(time).partition(".")[0]),), font, PANEL_COLOUR, widest)
        below = picture.height - size - clock.height - margin
        picture.paste(clock, (margin, below))
        return picture.planes

    def _panel_of(self, event: Event, font: Font, widest: int) -> "_Panel":
        label = str(event.label)
        text = title(event).removeprefix(label) + f"  {event.confidence:.2f}"
        return _panel(((label, text),), font, self._colours[label], widest)

    def _draw_box(
        self, picture: "_Picture", event: Event, box: Sequence[float], panel: "_Panel"
    ) -> tuple[int, int]:
        """Draw the box of a subject, in pixels of the picture; return where its panel belongs."""
        left, top = (max(0, round(edge)) for edge in box[:2])
        right = min(picture.width, round(box[0] + box[2]))
        bottom = min(picture.height, round(box[1] + box[3]))
        thick = max(2, panel.height // 8 // 2 * 2)
        width, height = max(thick, right - left), max(thick, bottom - top)
        colour = self._colours[str(event.label)]
        for x in (left, left + width - thick):
            picture.paste(_ground(thick, height, colour), (x, top))
        for y in (top, top + height - thick):
            picture.paste(_ground(width, thick, colour), (left, y))
        above = top - panel.height
        return min(left, picture.width - panel.width), above if above >= 0 else top

    def _finish(self, time: float) -> None:
        """Count the events that are over; forget events that the bar does not show."""
        while self._ahead and self._ahead[0].end <= time:
            over = self._ahead.popleft()
            self._counts[str(over.label)] += over.repetitions
            self._past.append(over)
        while self._duration is None and self._past and self._past[0].end < time - LIVE_SPAN:
            self._past.popleft()

    def _draw_bar(
        self, picture: "_Picture", time: float, going_on: Sequence[Event], height: int
    ) -> None:
        begin, end = 0.0, self._duration or 1.0
        if self._duration is None:
            begin, end = time - LIVE_SPAN, time
        bar = self._bar
        if bar is None:
            image = Image.new("RGBA", (picture.width, height), PANEL_COLOUR)
            draw = ImageDraw.Draw(image)
            for event in (*self._past, *self._ahead, *going_on):
                left, right = (
                    picture.width * (x - begin) / (end - begin) for x in (event.start, event.end)
                )
                if right >= 0 and left <= picture.width:
                    draw.rectangle(
                        (left, height // 6, max(right, left + 1), height - height // 6),
                        fill=self._colours[str(event.label)],
                    )
            bar = _prepared(image)
            self._bar = None if self._duration is None else bar
        picture.paste(bar, (0, picture.height - height))
        now = picture.width * min(1.0, (time - begin) / (end - begin))
        line = _ground(max(2, height // 12), height, TEXT_COLOUR)
        picture.paste(line, (int(now), picture.height - height))


@dataclass(frozen=True)
class _Panel:
    """An image that is pasted: of each plane its values times their opacity, and what remains.

    The values have half of 255 more, so that their division rounds.
    """

    width: int
    height: int
    planes: tuple[tuple[NDArray[np.uint16], NDArray[np.uint16]], ...]


class _Picture:
    """Planes of a frame to paste on; positions and sizes are even."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        self.height, self.width = planes.shape[0] * 2 // 3, planes.shape[1]
        self._each = _split(planes)

    def paste(self, panel: _Panel, where: tuple[int, int]) -> None:
        """Paste a panel whose corner is at (left, top), as far as it is in the picture."""
        left, top = (max(0, x // 2 * 2) for x in where)
        for plane, (values, remains) in zip(self._each, panel.planes, strict=True):
            step = self.width // plane.shape[1]
            part = plane[top // step :, left // step :][: values.shape[0], : values.shape[1]]
            high, wide = part.shape
            part[:] = (part * remains[:high, :wide] + values[:high, :wide]) // OPAQUE


def _split(planes: Planes) -> tuple[Planes, Planes, Planes]:
    """Return views of the three planes: (h w), (h/2 w/2), (h/2 w/2)."""
    rows, width = planes.shape
    height, flat = rows * 2 // 3, planes.reshape(-1)
    luma, chroma = height * width, (height // 2, width // 2)
    first, second = flat[luma:].reshape(2, *chroma)
    return flat[:luma].reshape(height, width), first, second


def _prepared(image: Image.Image) -> _Panel:
    """Return an image with an alpha channel, to be pasted; to even sizes nothing is added."""
    width, height = (size + size % 2 for size in image.size)
    rgba = np.asarray(image.crop((0, 0, width, height)), np.uint8)
    opacity = rgba[..., 3].astype(np.uint16)
    halved = opacity.reshape(height // 2, 2, width // 2, 2).mean((1, 3)).astype(np.uint16)
    planes = zip(
        _split(planes_of(np.ascontiguousarray(rgba[..., :3]))),
        (opacity, halved, halved),
        strict=True,
    )
    return _Panel(width, height, tuple((p * a + HALF_OPAQUE, OPAQUE - a) for p, a in planes))


@lru_cache(maxsize=64)
def _ground(width: int, height: int, colour: tuple[int, ...]) -> _Panel:
    return _prepared(Image.new("RGBA", (width, height), colour))


def _performed(events: Iterable[Event], time: float) -> Counter[str]:
    """Return how often each class was performed; performances of an event are evenly spread."""
    performed: Counter[str] = Counter()
    for event in events:
        if event.start < time:
            fraction = min(1.0, (time - event.start) / (event.end - event.start))
            performed[str(event.label)] += math.floor(event.repetitions * fraction + 1e-9)
    return performed


def _lines(counts: Counter[str]) -> tuple[tuple[str, str], ...]:
    frequent = [(label, count) for label, count in counts.most_common(MOST_COUNTS) if count]
    return tuple((label, f"  {count}") for label, count in sorted(frequent))


def _enlarged(planes: Planes) -> Planes:
    """Return a copy of planes; small ones are enlarged."""
    size = planes.shape[1], planes.shape[0] * 2 // 3
    factor = min(math.ceil(LEAST_SHOWN_SIDE / min(size)), MOST_SHOWN_SIDE // max(size))
    if factor <= 1:
        return planes.copy()
    frame = VideoFrame.from_ndarray(planes, format="yuv420p")
    width, height = (side * factor for side in size)
    larger = frame.reformat(width, height, interpolation="BICUBIC")
    return np.asarray(larger.to_ndarray(), np.uint8)


@lru_cache(maxsize=64)
def _panel(
    lines: tuple[tuple[str, str], ...], font: Font, colour: tuple[int, ...], widest: int
) -> _Panel:
    """Return lines of text, each a name and a further text, on a ground of a colour.

    Names are shortened where a line is wider than ``widest``, in pixels.
    """
    high, pad = _line_height(font)
    texts = [shortened(name, suffix, font, widest - 2 * pad) for name, suffix in lines]
    width = math.ceil(max(font.getbbox(text)[2] for text in texts)) + 2 * pad
    panel = Image.new("RGBA", (width, _height(len(texts), font)), colour)
    draw = ImageDraw.Draw(panel)
    for i, text in enumerate(texts):
        draw.text((pad, pad + i * (high + pad)), text, font=font, fill=TEXT_COLOUR)
    return _prepared(panel)


@lru_cache(maxsize=8)
def _widest_label(labels: tuple[str, ...], font: Font) -> int:
    """Return the width of the widest panel that the label of an event needs."""
    width = max(font.getbbox(f"{label} × 99  0.99")[2] for label in labels)
    return math.ceil(width) + 2 * _line_height(font)[1]


def _line_height(font: Font) -> tuple[int, int]:
    """Return the height of a line and the space between two."""
    high = round(font.getbbox("Ág")[3])
    return high, high // 3


def _height(lines: int, font: Font) -> int:
    """Return the height of a panel."""
    high, pad = _line_height(font)
    return lines * (high + pad) + pad


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue, LABEL_OPACITY
