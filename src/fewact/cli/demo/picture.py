"""The demo's result as one self-contained SVG: who was taken for whom, and what was matched."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from fewact.cli.demo.comparison import Match

WIDTH, MARGIN = 960, 40
INK, GREY, PALE = "#1f2933", "#66727f", "#eef1f4"
RIGHT, WRONG = "#2563a8", "#d9662b"
SCALES = ("#2563a8", "#2a9d6f", "#a8487f", "#8a6d1d")
"""Colours of windows, the shortest first."""

FONT = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
LONGEST = 28
"""Letters of a class's name that are shown."""

BOX = 26.0
"""Height of a moment's box."""

FAINT = 0.04
"""Of a moment's weight: less is not drawn."""


@dataclass(frozen=True)
class Grid:
    """A confusion table with its heading.

    Args:
        title: Above it.
        counts: (n n): a row for each true class, a column for each predicted one.
    """

    title: str
    counts: list[list[int]]


@dataclass(frozen=True)
class Strip:
    """Frames of a clip.

    Args:
        title: What the clip is.
        frames: JPEG files, in order.
        shape: Height and width of each, in pixels.
    """

    title: str
    frames: Sequence[bytes]
    shape: tuple[int, int]


def draw(
    heading: str,
    facts: str,
    note: str,
    classes: Sequence[str],
    grids: Sequence[Grid],
    matched: tuple[Match, Strip, Strip] | None,
) -> str:
    """Draw the result.

    Args:
        heading: In large letters.
        facts: Below it.
        note: Below the tables.
        classes: Their names, n of them.
        grids: Two confusion tables, side by side.
        matched: How two clips' moments were matched, with their frames; above and below.

    Returns:
        An SVG document.
    """
    parts = [
        _text(MARGIN, 52, heading, size=24, weight=600),
        _text(MARGIN, 78, facts, colour=GREY),
    ]
    short = (name if len(name) <= LONGEST else f"{name[:LONGEST]}…" for name in classes)
    numbered = [f"{name}  {i}" for i, name in enumerate(short, start=1)]
    names = 8.0 * max(map(len, numbered))
    # Wide enough for the headings above them.
    side = min((WIDTH - 2 * MARGIN - names - 40) / 2, max(280.0, 40.0 * len(classes)))
    bottom = 150 + side
    for place, grid in enumerate(grids):
        left = MARGIN + names + place * (side + 40)
        parts.extend(_grid(left, 150, side, grid, numbered if place == 0 else ()))
    legend = "rows: what the clip shows · columns: what was said"
    parts.append(_text(MARGIN + names, bottom + 26, legend, size=12, colour=GREY))
    bottom += 32
    for line in wrap(note, 140):
        bottom += 18
        parts.append(_text(MARGIN, bottom, line, size=12, colour=GREY))
    if matched is not None:
        drawn, bottom = _match(bottom + 54, *matched)
        parts.extend(drawn)
    height = round(bottom + 46)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="{FONT}">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _grid(left: float, top: float, side: float, grid: Grid, names: Sequence[str]) -> Iterator[str]:
    n = len(grid.counts)
    cell = side / n
    size = min(14.0, 0.5 * cell)
    yield _text(left, top - 28, grid.title, weight=600)
    for i, row in enumerate(grid.counts):
        middle = top + (i + 0.5) * cell + 0.35 * size
        if names:
            yield _text(left - 8, middle, names[i], size=min(14.0, 0.8 * cell), anchor="end")
        yield _text(left + (i + 0.5) * cell, top - 8, str(i + 1), size, GREY, anchor="middle")
        for j, count in enumerate(row):
            share = count / max(sum(row), 1)
            colour = RIGHT if i == j else WRONG
            x, y = left + j * cell, top + i * cell
            yield _box(x + 1, y + 1, cell - 2, cell - 2, PALE, radius=min(4.0, cell / 6))
            if count:
                strength = 0.25 + 0.75 * share
                yield _box(x + 1, y + 1, cell - 2, cell - 2, colour, min(4.0, cell / 6), strength)
                ink = "#ffffff" if strength > 0.5 else INK
                yield _text(x + cell / 2, middle, str(count), size, ink, anchor="middle")


def _match(top: float, match: Match, query: Strip, examples: Strip) -> tuple[list[str], float]:
    """The two clips' frames, their moments, and ribbons as wide as what went between them."""
    parts = [
        _text(MARGIN, top, "Which moments were matched", size=17, weight=600),
        _text(
            MARGIN,
            top + 22,
            "a2m2 (exact Earth Mover's Distance). Each box is a window of frames; a ribbon is as "
            "wide as what went between two of them.",
            size=12,
            colour=GREY,
        ),
    ]
    above, frames_high = _frames(top + 66, query, match.frames)
    first = top + 66 + frames_high + 24
    second = first + 230
    below, _ = _frames(second + 66, examples, match.frames)
    parts += [*above, *_moments(first, match), *_ribbons(first + BOX, second, match)]
    parts += [*_moments(second, match), *below]
    return parts, second + 66 + frames_high


def _frames(top: float, strip: Strip, count: int) -> tuple[list[str], float]:
    width = (WIDTH - 2 * MARGIN - 6 * (count - 1)) / count
    height = width * strip.shape[0] / strip.shape[1]
    parts = [_text(MARGIN, top - 10, strip.title, size=13)]
    for i, frame in enumerate(strip.frames):
        x = MARGIN + i * (width + 6)
        data = base64.b64encode(frame).decode()
        parts.append(
            f'<image x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )
        parts.append(_text(x + 5, top + height - 6, str(i + 1), 12, "#ffffff", weight=700))
    return parts, height


def _places(match: Match) -> tuple[list[float], float]:
    """Left edge of each moment's box, and their width; a gap parts windows of other lengths."""
    lengths = [stop - start for start, stop in match.windows]
    steps = [len(set(lengths[: i + 1])) - 1 for i in range(len(lengths))]
    count = len(lengths)
    gap, apart = 8.0, 22.0
    width = (WIDTH - 2 * MARGIN - gap * (count - 1) - apart * steps[-1]) / count
    return [MARGIN + i * (width + gap) + steps[i] * apart for i in range(count)], width


def _colours(match: Match) -> list[str]:
    lengths = [stop - start for start, stop in match.windows]
    order = sorted(set(lengths))
    return [SCALES[order.index(length) % len(SCALES)] for length in lengths]


def _moments(top: float, match: Match) -> Iterator[str]:
    """A box for each moment: the frames of its window, and where they lie in the clip."""
    lefts, width = _places(match)
    for left, (start, stop), colour in zip(lefts, match.windows, _colours(match), strict=True):
        label = str(stop) if stop - start == 1 else f"{start + 1}–{stop}"
        frame = width / match.frames
        yield _box(left, top, width, BOX, PALE, radius=3)
        yield _text(left + width / 2, top + 15, label, 12, INK, anchor="middle")
        yield _box(left + start * frame, top + BOX - 6, (stop - start) * frame, 6, colour, 1.5)


def _ribbons(top: float, bottom: float, match: Match) -> Iterator[str]:
    lefts, width = _places(match)
    heaviest = max(
        *(sum(row) for row in match.plan), *(sum(row) for row in zip(*match.plan, strict=True))
    )
    scale = width / heaviest
    arrived = [
        left + (width - scale * sum(column)) / 2
        for left, column in zip(lefts, zip(*match.plan, strict=True), strict=True)
    ]
    middle = (top + bottom) / 2
    for left, row, colour in zip(lefts, match.plan, _colours(match), strict=True):
        x = left + (width - scale * sum(row)) / 2
        for j, flow in enumerate(row):
            wide = scale * flow
            if flow > FAINT * sum(row):
                a, b, c, d = x, x + wide, arrived[j] + wide, arrived[j]
                yield (
                    f'<path d="M{a:.1f} {top:.1f} C{a:.1f} {middle:.1f} {d:.1f} {middle:.1f} '
                    f"{d:.1f} {bottom:.1f} L{c:.1f} {bottom:.1f} C{c:.1f} {middle:.1f} "
                    f'{b:.1f} {middle:.1f} {b:.1f} {top:.1f} Z" fill="{colour}" '
                    f'fill-opacity="0.5"/>'
                )
            x += wide
            arrived[j] += wide


def _box(
    x: float, y: float, width: float, height: float, fill: str, radius: float, opacity: float = 1.0
) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius:.1f}" fill="{fill}" fill-opacity="{opacity:.2f}"/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: float = 14.0,
    colour: str = INK,
    *,
    weight: int = 400,
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" font-weight="{weight}" '
        f'fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
    )
