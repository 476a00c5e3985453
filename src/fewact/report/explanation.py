"""The pages that explain a prediction, and how aligners match two clips; each one HTML file."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image, UnidentifiedImageError

from fewact.classifier.explain import Cells, Explanation, Neighbour
from fewact.classifier.match import MatchedClips
from fewact.core import svg
from fewact.methods.base import FrameMatch
from fewact.report.document import drawing, render_page

WIDTH, HEIGHT, RIBBONS = 880.0, 82.0, 60.0
BARS = 26.0
"""Height of the bars of weights in pixels."""

JOINED = RIBBONS + 2 * BARS
"""Height of what joins two clips: bars, ribbons, bars."""

GAP = 6.0
"""Height between two drawings of the same clip."""

SQUARE = 16.0
"""Side of a pair of parts in the drawing of a plan."""

BAR = (260.0, 14.0)
MIN_CELL = 0.1
"""Smallest value of a cell that is drawn, as a fraction of the largest one."""

MIN_WEIGHT = 0.02
"""Smallest weight of a pair that is drawn, as a fraction of the weight of its row."""


Spans = Sequence[tuple[float, float]]


def explanation_page(
    explanation: Explanation, *, absent: str = "pass the folder of the training clips, --clips"
) -> str:
    """Return the page as HTML; names are escaped, images are embedded.

    Args:
        explanation: The explanation.
        absent: What is said of training clips whose frames are not at hand.
    """
    contributions = explanation.contributions
    largest = max(map(abs, contributions.values()), default=0.0) or 1.0
    bars = [
        {
            "name": name,
            "log_odds": log_odds,
            "drawing": drawing(*BAR, _bar(log_odds / largest), title=name),
        }
        for name, log_odds in contributions.items()
    ]
    largest_cells: dict[str, float] = {}
    for name, cells in (
        pair for neighbour in explanation.neighbours for pair in neighbour.cells.items()
    ):
        largest_cells[name] = max(largest_cells.get(name, 0.0), *_flat(cells))
    neighbours = [
        _neighbour(explanation, neighbour, largest_cells, absent)
        for neighbour in explanation.neighbours
    ]
    attention = (
        None if explanation.attention is None else _attention(explanation, explanation.attention)
    )
    return render_page(
        "explanation.html.j2",
        explanation=explanation,
        bars=bars,
        neighbours=neighbours,
        compared=list(largest_cells),
        attention=attention,
    )


def _attention(explanation: Explanation, match: FrameMatch) -> dict[str, str]:
    """Draw the clip with the attention that each frame gets, and all weights as a square."""
    received = [sum(column) for column in zip(*match.plan, strict=True)]
    parts = [
        *strip(explanation.frames, 0.0),
        *_weights(match.support, received, max(received), HEIGHT + 2, up=False),
    ]
    title = f"temporal attention of {explanation.clip}"
    return {
        "frames": drawing(WIDTH, HEIGHT + BARS, parts, title=title),
        "square": square_of(match.plan, title=title),
    }


def square_of(plan: Sequence[Sequence[float]], *, title: str) -> str:
    """Draw a plan: a row for each part of the first clip, a column for each of the second."""
    strongest = max(max(row) for row in plan) or 1.0
    parts = []
    for i, row in enumerate(plan):
        for j, weight in enumerate(row):
            square = (j * SQUARE + 0.5, i * SQUARE + 0.5, SQUARE - 1, SQUARE - 1)
            parts.append(svg.rectangle(*square, None, class_="frame"))
            if weight > 0:
                opacity = weight / strongest
                parts.append(svg.rectangle(*square, None, class_="for", fill_opacity=opacity))
    return drawing(SQUARE * len(plan[0]), SQUARE * len(plan), parts, title=title)


def _bar(fraction: float) -> Iterator[str]:
    width, height = BAR
    half = width / 2
    length = half * abs(fraction)
    x = half if fraction >= 0 else half - length
    kind = "for" if fraction >= 0 else "against"
    yield svg.rectangle(x, 2, length, height - 4, None, class_=kind)
    yield svg.element("line", x1=half, y1=0, x2=half, y2=height, class_="axis")


def _neighbour(
    explanation: Explanation, neighbour: Neighbour, largest_cells: Mapping[str, float], absent: str
) -> dict[str, Any]:
    """Return what the page shows of a neighbour: the query once for each sort of cells.

    Args:
        explanation: The explanation.
        neighbour: The neighbour.
        largest_cells: Largest value of a cell, by what is compared.
        absent: What is said if its frames are not at hand.
    """
    tops = [i * (HEIGHT + GAP) for i in range(max(1, len(neighbour.cells)))]
    parts = [part for top in tops for part in strip(explanation.frames, top)]
    for top, (name, cells) in zip(tops, neighbour.cells.items(), strict=False):
        parts += _cells(cells, largest_cells[name], explanation.frames, top)
    middle = tops[-1] + HEIGHT
    below = middle + (RIBBONS if neighbour.match is None else JOINED)
    parts += strip(neighbour.frames, below, absent)
    if neighbour.match is not None:
        parts += joined(neighbour.match, middle)
    picture = drawing(
        WIDTH, below + HEIGHT, parts, title=f"{explanation.clip} and {neighbour.clip}"
    )
    return {
        "label": neighbour.label,
        "clip": neighbour.clip,
        "similarity": neighbour.similarity,
        "parts": neighbour.parts,
        "drawing": picture,
    }


def strip(frames: Sequence[bytes], top: float, absent: str = "") -> Iterator[str]:
    """Yield the frames, drawn over the full width; without frames an empty strip that says so."""
    yield svg.rectangle(0, top, WIDTH, HEIGHT, None, class_="frame")
    if not frames:
        yield svg.text(12, top + HEIGHT / 2, f"no frames: {absent}", colour=None)
    width = WIDTH / max(len(frames), 1)
    for i, frame in enumerate(frames):
        yield svg.image(i * width + 1, top + 1, width - 2, HEIGHT - 2, frame)


def _cells(cells: Cells, largest: float, frames: Sequence[bytes], above: float) -> Iterator[str]:
    """Draw what the cells of the query's frames add to the similarity, over the frames."""
    if largest <= 0:
        return
    width = WIDTH / len(cells)
    aspect = _aspect(frames[0]) if frames else math.inf
    # A frame is as large as its place allows, in the middle.
    inner_width = min(width - 2, (HEIGHT - 2) * aspect)
    inner_height = min(HEIGHT - 2, (width - 2) / aspect) if frames else HEIGHT - 2
    left, top = (width - inner_width) / 2, (HEIGHT - inner_height) / 2
    for i, frame in enumerate(cells):
        wide, high = inner_width / len(frame[0]), inner_height / len(frame)
        for row, values in enumerate(frame):
            for column, value in enumerate(values):
                if value <= MIN_CELL * largest:
                    continue
                x, y = i * width + left + column * wide, above + top + row * high
                opacity = 0.65 * value / largest
                yield svg.rectangle(x, y, wide, high, None, class_="cell", fill_opacity=opacity)


def _aspect(frame: bytes) -> float:
    """Return the width of an image relative to its height; 1 if it cannot be read."""
    try:
        with Image.open(io.BytesIO(frame)) as image:
            return image.width / image.height
    except UnidentifiedImageError:
        return 1.0


def _flat(cells: Cells) -> list[float]:
    return [value for frame in cells for row in frame for value in row]


def joined(match: FrameMatch, top: float) -> Iterator[str]:
    """Yield the weight of each part of both clips, and ribbons between matched parts."""
    rows = [sum(row) for row in match.plan]
    columns = [sum(column) for column in zip(*match.plan, strict=True)]
    largest = max((*rows, *columns))
    first, second = top + BARS, top + BARS + RIBBONS
    yield from _weights(match.query, rows, largest, top + 2, up=False)
    yield from ribbons(match, first, second)
    yield from _weights(match.support, columns, largest, second, up=True)


def _weights(
    spans: Spans, weights: Sequence[float], largest: float, top: float, *, up: bool
) -> Iterator[str]:
    """Draw the weight of each part as a bar at its centre; long parts have wide bars."""
    height = BARS - 4
    for (begin, end), weight in zip(spans, weights, strict=True):
        tall = height * weight / (largest or 1.0)
        wide = max(2.0, WIDTH * (end - begin) / 6)
        x = WIDTH * (begin + end) / 2 - wide / 2
        y = top + height - tall if up else top
        yield svg.rectangle(x, y, wide, tall, None, class_="for", fill_opacity=0.6)


def ribbons(match: FrameMatch, top: float, bottom: float) -> Iterator[str]:
    """Yield a curve for each matched pair; pairs of little weight are left out."""
    strongest = max(max(row) for row in match.plan) or 1.0
    middle = (top + bottom) / 2
    for (begin, end), row in zip(match.query, match.plan, strict=True):
        x = WIDTH * (begin + end) / 2
        for (other_begin, other_end), weight in zip(match.support, row, strict=True):
            if weight <= MIN_WEIGHT * strongest:
                continue
            to = WIDTH * (other_begin + other_end) / 2
            half = WIDTH * min(end - begin, other_end - other_begin) / 4 * weight / strongest
            path = (
                f"M{x - half:.1f} {top:.1f} C{x - half:.1f} {middle:.1f} {to - half:.1f} "
                f"{middle:.1f} {to - half:.1f} {bottom:.1f} L{to + half:.1f} {bottom:.1f} "
                f"C{to + half:.1f} {middle:.1f} {x + half:.1f} {middle:.1f} {x + half:.1f} "
                f"{top:.1f} Z"
            )
            opacity = 0.15 + 0.5 * weight / strongest
            yield svg.element("path", d=path, class_="ribbon", fill_opacity=opacity)


def matched_page(clips: MatchedClips) -> str:
    """Return the page as HTML; names are escaped, images are embedded."""
    matches = [
        {
            "aligner": aligner,
            "similarity": similarity,
            "windows": match.compares,
            "drawing": _pair(clips, aligner, match),
            "plan": square_of(match.plan, title=f"plan of {aligner}"),
        }
        for aligner, (similarity, match) in clips.found.items()
    ]
    return render_page("matched.html.j2", clips=clips, matches=matches)


def _pair(clips: MatchedClips, aligner: str, match: FrameMatch) -> str:
    """Draw both clips, the weight of each window, and ribbons between matched windows."""
    below = HEIGHT + JOINED
    parts = [
        *strip(clips.first_frames, 0.0),
        *joined(match, HEIGHT),
        *strip(clips.second_frames, below),
    ]
    title = f"{aligner}: {clips.first} and {clips.second}"
    return drawing(WIDTH, below + HEIGHT, parts, title=title)
