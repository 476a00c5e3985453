"""The figure of the demo as one SVG file: confusion tables, and one pair of matched clips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from fewact.cli.demo.comparison import Match
from fewact.core import svg

WIDTH, MARGIN = 960, 40
EMPTY = "#eef1f4"
CORRECT, WRONG = "#2563a8", "#d9662b"
WINDOW_COLOURS = ("#2563a8", "#2a9d6f", "#a8487f", "#8a6d1d")
"""Colours of windows, shortest windows first."""

MAX_LETTERS = 32
"""Largest number of letters of a class name that is shown."""

BOX = 26.0
"""Height of the box of a window."""

MIN_FLOW = 0.04
"""Smallest fraction of a window's weight that is drawn."""


@dataclass(frozen=True)
class Grid:
    """A confusion table.

    Args:
        title: Title above the table.
        counts: Counts (n n), a row for each true class, a column for each predicted class.
    """

    title: str
    counts: list[list[int]]


@dataclass(frozen=True)
class Strip:
    """Frames of a clip.

    Args:
        title: Title above the frames.
        frames: Frames as JPEG files, in order.
        shape: Height and width of a frame, in pixels.
    """

    title: str
    frames: Sequence[bytes]
    shape: tuple[int, int]


@dataclass(frozen=True)
class Caption:
    """Texts of the figure.

    Args:
        heading: Heading in large letters.
        facts: Line below the heading.
        note: Note below the tables.
    """

    heading: str
    facts: str
    note: str


def draw(
    caption: Caption,
    classes: Sequence[str],
    grids: Sequence[Grid],
    matched: tuple[Match, Strip, Strip] | None,
) -> str:
    """Draw the figure.

    Args:
        caption: Texts of the figure.
        classes: Class names, n of them.
        grids: Two confusion tables, side by side.
        matched: Match of two clips, with the frames of the query and of the training clip.

    Returns:
        SVG file.
    """
    parts = [
        svg.text(MARGIN, 52, caption.heading, size=24, weight=600),
        svg.text(MARGIN, 78, caption.facts, size=14, colour=svg.GREY),
    ]
    short = (name if len(name) <= MAX_LETTERS else f"{name[:MAX_LETTERS]}…" for name in classes)
    numbered = [f"{name}  {i}" for i, name in enumerate(short, start=1)]
    names = 7.2 * max(map(len, numbered))
    # Wide enough for the titles above the tables.
    side = min((WIDTH - 2 * MARGIN - names - 40) / 2, max(280.0, 40.0 * len(classes)))
    bottom = 150 + side
    for i, grid in enumerate(grids):
        left = MARGIN + names + i * (side + 40)
        parts.extend(_grid(left, 150, side, grid, numbered if i == 0 else ()))
    legend = "rows: true class · columns: predicted class"
    parts.append(svg.text(MARGIN + names, bottom + 26, legend, size=12, colour=svg.GREY))
    bottom += 32
    for line in wrap(caption.note, 140):
        bottom += 18
        parts.append(svg.text(MARGIN, bottom, line, size=12, colour=svg.GREY))
    if matched is not None:
        drawn, bottom = _match(bottom + 54, *matched)
        parts.extend(drawn)
    return svg.document(WIDTH, round(bottom + 46), parts, title=caption.heading)


def _grid(left: float, top: float, side: float, grid: Grid, names: Sequence[str]) -> Iterator[str]:
    n = len(grid.counts)
    cell = side / n
    size, radius = min(14.0, 0.5 * cell), min(4.0, cell / 6)
    yield svg.text(left, top - 28, grid.title, size=14, weight=600)
    for i, row in enumerate(grid.counts):
        middle = top + (i + 0.5) * cell + 0.35 * size
        if names:
            yield svg.text(left - 8, middle, names[i], size=min(14.0, 0.8 * cell), anchor="end")
        center = left + (i + 0.5) * cell
        yield svg.text(center, top - 8, str(i + 1), size=size, colour=svg.GREY, anchor="middle")
        for j, count in enumerate(row):
            x, y = left + j * cell, top + i * cell
            square = (x + 1, y + 1, cell - 2, cell - 2)
            yield svg.rectangle(*square, EMPTY, rx=radius)
            if count:
                opacity = 0.25 + 0.75 * count / sum(row)
                colour = CORRECT if i == j else WRONG
                yield svg.rectangle(*square, colour, rx=radius, fill_opacity=opacity)
                ink = "#ffffff" if opacity > 0.5 else svg.INK
                middle_x = x + cell / 2
                yield svg.text(middle_x, middle, str(count), size=size, colour=ink, anchor="middle")


def _match(top: float, match: Match, query: Strip, example: Strip) -> tuple[list[str], float]:
    """Draw the frames of both clips, their windows, and the flow between windows as ribbons."""
    explanation = (
        "a2m2 (exact Earth Mover's Distance). Each box is a window of frames; the width of a "
        "ribbon is the flow between two windows."
    )
    parts = [
        svg.text(MARGIN, top, "Matched windows of two clips", size=17, weight=600),
        svg.text(MARGIN, top + 22, explanation, size=12, colour=svg.GREY),
    ]
    above, frame_height = _frames(top + 66, query, match.frames)
    first = top + 66 + frame_height + 24
    second = first + 230
    below, _ = _frames(second + 66, example, match.frames)
    parts += [*above, *_windows(first, match), *_ribbons(first + BOX, second, match)]
    parts += [*_windows(second, match), *below]
    return parts, second + 66 + frame_height


def _frames(top: float, strip: Strip, count: int) -> tuple[list[str], float]:
    width = (WIDTH - 2 * MARGIN - 6 * (count - 1)) / count
    height = width * strip.shape[0] / strip.shape[1]
    parts = [svg.text(MARGIN, top - 10, strip.title)]
    for i, frame in enumerate(strip.frames):
        x = MARGIN + i * (width + 6)
        parts.append(svg.image(x, top, width, height, frame))
        number = str(i + 1)
        parts.append(
            svg.text(x + 5, top + height - 6, number, size=12, colour="#ffffff", weight=700)
        )
    return parts, height


def _boxes(match: Match) -> tuple[list[float], float]:
    """Return the left edges of the boxes and their width; a gap separates window lengths."""
    lengths = [stop - start for start, stop in match.windows]
    steps = [len(set(lengths[: i + 1])) - 1 for i in range(len(lengths))]
    count = len(lengths)
    gap, apart = 8.0, 22.0
    width = (WIDTH - 2 * MARGIN - gap * (count - 1) - apart * steps[-1]) / count
    return [MARGIN + i * (width + gap) + steps[i] * apart for i in range(count)], width


def _colours(match: Match) -> list[str]:
    lengths = [stop - start for start, stop in match.windows]
    order = sorted(set(lengths))
    return [WINDOW_COLOURS[order.index(length) % len(WINDOW_COLOURS)] for length in lengths]


def _windows(top: float, match: Match) -> Iterator[str]:
    """Draw a box for each window: its frame numbers, and its position in the clip."""
    lefts, width = _boxes(match)
    for left, (start, stop), colour in zip(lefts, match.windows, _colours(match), strict=True):
        label = str(stop) if stop - start == 1 else f"{start + 1}–{stop}"
        frame = width / match.frames
        yield svg.rectangle(left, top, width, BOX, EMPTY, rx=3)
        yield svg.text(left + width / 2, top + 15, label, size=12, anchor="middle")
        extent = left + start * frame, top + BOX - 6, (stop - start) * frame, 6
        yield svg.rectangle(*extent, colour, rx=1.5)


def _ribbons(top: float, bottom: float, match: Match) -> Iterator[str]:
    lefts, width = _boxes(match)
    columns = list(zip(*match.plan, strict=True))
    scale = width / max(*(sum(row) for row in match.plan), *(sum(column) for column in columns))
    ends = [
        left + (width - scale * sum(column)) / 2
        for left, column in zip(lefts, columns, strict=True)
    ]
    middle = (top + bottom) / 2
    for left, row, colour in zip(lefts, match.plan, _colours(match), strict=True):
        x = left + (width - scale * sum(row)) / 2
        for j, flow in enumerate(row):
            wide = scale * flow
            if flow > MIN_FLOW * sum(row):
                a, b, c, d = x, x + wide, ends[j] + wide, ends[j]
                curve = (
                    f"M{a:.1f} {top:.1f} C{a:.1f} {middle:.1f} {d:.1f} {middle:.1f} "
                    f"{d:.1f} {bottom:.1f} L{c:.1f} {bottom:.1f} C{c:.1f} {middle:.1f} "
                    f"{b:.1f} {middle:.1f} {b:.1f} {top:.1f} Z"
                )
                yield svg.element("path", d=curve, fill=colour, fill_opacity=0.5)
            x += wide
            ends[j] += wide
