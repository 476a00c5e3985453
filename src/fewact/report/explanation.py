"""Pages that explain a prediction, the match of two clips, and a model's clips, as HTML files."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from fewact.classifier.clip_map import ClipMap, MapPoint
from fewact.classifier.explain import Cells, Explanation, Neighbour
from fewact.classifier.joint_differences import DIFFERENCE_HEADER, JointDifference, JointDifferences
from fewact.classifier.match import MatchedClips
from fewact.methods.protocols import FrameMatch
from fewact.report import svg
from fewact.report.document import drawing, render_page

STRIP_WIDTH = 880.0
"""Width of a strip of frames in pixels, as all lengths."""

STRIP_HEIGHT = 82.0
"""Height of a strip of frames."""

RIBBON_HEIGHT = 60.0
"""Height of the ribbons between matched frames."""

WEIGHT_HEIGHT = 26.0
"""Height of the bars of weights."""

MATCH_HEIGHT = RIBBON_HEIGHT + 2 * WEIGHT_HEIGHT
"""Height of the drawing between two clips: bars, ribbons, bars."""

DRAWING_GAP = 6.0
"""Height between two drawings of the same clip."""

PLAN_SQUARE = 16.0
"""Side of a pair of parts in the drawing of a plan."""

ODDS_BAR = (260.0, 14.0)
"""Width and height of the bar of log odds."""

DRAWN_JOINTS = 3
"""Number of joints whose angles are drawn, those that differ most."""

ANGLE_HEIGHT = 110.0
"""Height of the drawing of an angle, from 0 to 180°."""

ANGLE_GAP = 34.0
"""Height between the drawings of two angles, for their titles."""

MIN_CELL = 0.1
"""Smallest value of a cell that is drawn, as a fraction of the largest one."""

MIN_WEIGHT = 0.02
"""Smallest weight of a pair that is drawn, as a fraction of the weight of its row."""

MAP_SIDE = 640.0
MAP_MARGIN = 40.0
LEGEND_HEIGHT = 20.0
LEGEND_WIDTH = 220.0
POINT_SHAPES = ("circle", "square", "triangle", "diamond")
"""Shapes of the classes after the first ones have taken all colours."""

Spans = Sequence[tuple[float, float]]


def explanation_page(
    explanation: Explanation, *, absent: str = "pass the folder of the training clips, --clips"
) -> str:
    """Return the page of a prediction; names are escaped, images are embedded.

    ``absent`` is said of training clips whose frames are not at hand.
    """
    log_odds = explanation.contributions
    largest = max(map(abs, log_odds.values()), default=0.0) or 1.0
    bars = [
        {
            "name": name,
            "log_odds": odds,
            "drawing": drawing(*ODDS_BAR, _bar(odds / largest), title=name),
        }
        for name, odds in log_odds.items()
    ]
    largest_cells: dict[str, float] = {}
    for neighbour in explanation.neighbours:
        for name, cells in neighbour.cells.items():
            values = [value for frame in cells for row in frame for value in row]
            largest_cells[name] = max(largest_cells.get(name, 0.0), *values)
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
        *_weights(match.support, received, max(received), STRIP_HEIGHT + 2, up=False),
    ]
    title = f"temporal attention of {explanation.clip}"
    return {
        "frames": drawing(STRIP_WIDTH, STRIP_HEIGHT + WEIGHT_HEIGHT, parts, title=title),
        "square": square_of(match.plan, title=title),
    }


def square_of(plan: Sequence[Sequence[float]], *, title: str) -> str:
    """Draw a plan: a row for each part of the first clip, a column for each of the second."""
    strongest = max(max(row) for row in plan) or 1.0
    parts = []
    for i, row in enumerate(plan):
        for j, weight in enumerate(row):
            square = (
                j * PLAN_SQUARE + 0.5,
                i * PLAN_SQUARE + 0.5,
                PLAN_SQUARE - 1,
                PLAN_SQUARE - 1,
            )
            parts.append(svg.rectangle(*square, None, class_="frame"))
            if weight > 0:
                opacity = weight / strongest
                parts.append(svg.rectangle(*square, None, class_="for", fill_opacity=opacity))
    return drawing(PLAN_SQUARE * len(plan[0]), PLAN_SQUARE * len(plan), parts, title=title)


def _bar(fraction: float) -> Iterator[str]:
    width, height = ODDS_BAR
    half = width / 2
    length = half * abs(fraction)
    x = half if fraction >= 0 else half - length
    side = "for" if fraction >= 0 else "against"
    yield svg.rectangle(x, 2, length, height - 4, None, class_=side)
    yield svg.element("line", x1=half, y1=0, x2=half, y2=height, class_="axis")


def _neighbour(
    explanation: Explanation, neighbour: Neighbour, largest_cells: Mapping[str, float], absent: str
) -> dict[str, Any]:
    """Return what the page shows of a neighbour: the query once for each sort of cells.

    The largest cells are by what is compared; ``absent`` is said if no frames are at hand.
    """
    tops = [i * (STRIP_HEIGHT + DRAWING_GAP) for i in range(max(1, len(neighbour.cells)))]
    parts = [part for top in tops for part in strip(explanation.frames, top)]
    for top, (name, cells) in zip(tops, neighbour.cells.items(), strict=False):
        parts += _cells(cells, largest_cells[name], explanation.frames, top)
    middle = tops[-1] + STRIP_HEIGHT
    below = middle + (RIBBON_HEIGHT if neighbour.match is None else MATCH_HEIGHT)
    parts += strip(neighbour.frames, below, absent)
    if neighbour.match is not None:
        parts += joined(neighbour.match, middle)
    title = f"{explanation.clip} and {neighbour.clip}"
    return {
        "label": neighbour.label,
        "clip": neighbour.clip,
        "similarity": neighbour.similarity,
        "parts": neighbour.parts,
        "joints": None
        if neighbour.differences is None
        else joints_of(neighbour.differences, title=f"joints of {title}"),
        "drawing": drawing(STRIP_WIDTH, below + STRIP_HEIGHT, parts, title=title),
    }


def joints_of(differences: JointDifferences, *, title: str) -> dict[str, Any]:
    """Return the table of the joints of two clips, and the angles of those that differ most."""
    shown = differences.joints[:DRAWN_JOINTS]
    parts: list[str] = []
    for number, joint in enumerate(shown):
        parts += angles(joint, differences.times, number * (ANGLE_HEIGHT + ANGLE_GAP) + ANGLE_GAP)
    height = len(shown) * (ANGLE_HEIGHT + ANGLE_GAP)
    return {
        "header": DIFFERENCE_HEADER,
        "rows": differences.rows(),
        "mirrored": differences.mirrored,
        "drawing": drawing(STRIP_WIDTH, height, parts, title=title),
    }


def angles(joint: JointDifference, times: NDArray[np.float64], top: float) -> Iterator[str]:
    """Draw the angle at a joint in two clips, at their matched frames, over time of the first."""
    degrees, at = joint.degrees, times[:, 0]
    span = max(float(at[-1] - at[0]), 1e-9)
    x = STRIP_WIDTH * (at - at[0]) / span
    y = top + ANGLE_HEIGHT * (1 - degrees / 180)  # (m 2)
    words = f"{joint.joint}: {joint.largest:+.0f}° at {joint.first_time:.2f} s"
    yield svg.text(4, top - 8, words, colour=None)
    yield svg.rectangle(0, top, STRIP_WIDTH, ANGLE_HEIGHT, None, class_="frame")
    worst = STRIP_WIDTH * (joint.first_time - at[0]) / span
    yield svg.element("line", x1=worst, y1=top, x2=worst, y2=top + ANGLE_HEIGHT, class_="axis")
    for clip, colour in enumerate(svg.COLOURS[:2]):
        known = np.isfinite(y[:, clip])
        yield svg.polyline(list(zip(x[known], y[known, clip], strict=True)), colour)


def strip(frames: Sequence[bytes], top: float, absent: str = "") -> Iterator[str]:
    """Yield the frames, drawn over the full width; without frames an empty strip that says so."""
    yield svg.rectangle(0, top, STRIP_WIDTH, STRIP_HEIGHT, None, class_="frame")
    if not frames:
        yield svg.text(12, top + STRIP_HEIGHT / 2, f"no frames: {absent}", colour=None)
    width = STRIP_WIDTH / max(len(frames), 1)
    for i, frame in enumerate(frames):
        yield svg.image(i * width + 1, top + 1, width - 2, STRIP_HEIGHT - 2, frame)


def _cells(cells: Cells, largest: float, frames: Sequence[bytes], above: float) -> Iterator[str]:
    """Draw what the cells of the query's frames add to the similarity, over the frames."""
    if largest <= 0:
        return
    width = STRIP_WIDTH / len(cells)
    aspect = _aspect(frames[0]) if frames else math.inf
    # A frame is as large as its place allows, in the middle.
    inner_width = min(width - 2, (STRIP_HEIGHT - 2) * aspect)
    inner_height = min(STRIP_HEIGHT - 2, (width - 2) / aspect) if frames else STRIP_HEIGHT - 2
    left, top = (width - inner_width) / 2, (STRIP_HEIGHT - inner_height) / 2
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
        with av.open(io.BytesIO(frame)) as image:
            size = image.streams.video[0]
            return size.width / size.height
    except (FFmpegError, IndexError, ZeroDivisionError):
        return 1.0


def joined(match: FrameMatch, top: float) -> Iterator[str]:
    """Yield the weight of each part of both clips, and ribbons between matched parts."""
    rows = [sum(row) for row in match.plan]
    columns = [sum(column) for column in zip(*match.plan, strict=True)]
    largest = max((*rows, *columns))
    first, second = top + WEIGHT_HEIGHT, top + WEIGHT_HEIGHT + RIBBON_HEIGHT
    yield from _weights(match.query, rows, largest, top + 2, up=False)
    yield from ribbons(match, first, second)
    yield from _weights(match.support, columns, largest, second, up=True)


def _weights(
    spans: Spans, weights: Sequence[float], largest: float, top: float, *, up: bool
) -> Iterator[str]:
    """Draw the weight of each part as a bar in its middle; long parts have wide bars."""
    height = WEIGHT_HEIGHT - 4
    for (begin, end), weight in zip(spans, weights, strict=True):
        tall = height * weight / (largest or 1.0)
        wide = max(2.0, STRIP_WIDTH * (end - begin) / 6)
        x = STRIP_WIDTH * (begin + end) / 2 - wide / 2
        y = top + height - tall if up else top
        yield svg.rectangle(x, y, wide, tall, None, class_="for", fill_opacity=0.6)


def ribbons(match: FrameMatch, top: float, bottom: float) -> Iterator[str]:
    """Yield a curve for each matched pair; pairs of little weight are left out."""
    strongest = max(max(row) for row in match.plan) or 1.0
    middle = (top + bottom) / 2
    for (begin, end), row in zip(match.query, match.plan, strict=True):
        x = STRIP_WIDTH * (begin + end) / 2
        for (other_begin, other_end), weight in zip(match.support, row, strict=True):
            if weight <= MIN_WEIGHT * strongest:
                continue
            to = STRIP_WIDTH * (other_begin + other_end) / 2
            half = STRIP_WIDTH * min(end - begin, other_end - other_begin) / 4 * weight / strongest
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
    below = STRIP_HEIGHT + MATCH_HEIGHT
    parts = [
        *strip(clips.first_frames, 0.0),
        *joined(match, STRIP_HEIGHT),
        *strip(clips.second_frames, below),
    ]
    title = f"{aligner}: {clips.first} and {clips.second}"
    return drawing(STRIP_WIDTH, below + STRIP_HEIGHT, parts, title=title)


def map_page(clip_map: ClipMap) -> str:
    """Return the page of a model's clips as points; names are escaped."""
    width = MAP_SIDE + 2 * MAP_MARGIN
    styles = {label: _style(i) for i, label in enumerate(clip_map.classes)}
    parts = [svg.rectangle(0, 0, width, width, None, class_="frame", fill_opacity=0.35)]
    videos = [point for point in clip_map.points if point.kind == "video"]
    of_model = [point for point in clip_map.points if point.kind != "video"]
    for point in of_model:
        parts += _drawn(point, *styles[point.label])
    for number, video in enumerate(videos, start=1):
        colour, _ = styles.get(video.label, ("", ""))  # "(none)" has no colour
        parts += _video(video, colour, number)
    columns = max(1, int(width // LEGEND_WIDTH))
    for i, (label, (colour, shape)) in enumerate(styles.items()):
        x, y = 12 + LEGEND_WIDTH * (i % columns), width + 24 + LEGEND_HEIGHT * (i // columns)
        parts.append(_shape(x, y - 4, 5, shape, colour, escape(label)))
        parts.append(svg.text(x + 12, y, label, colour=None, size=13))
    height = width + 24 + LEGEND_HEIGHT * math.ceil(len(styles) / columns)
    title = f"{len(of_model) - len(styles)} training clips, {len(styles)} classes"
    return render_page(
        "map.html.j2",
        clip_map=clip_map,
        title=title,
        videos=videos,
        drawing=drawing(width, height, parts, title=title),
    )


def _style(number: int) -> tuple[str, str]:
    """Return colour and shape of a class."""
    colours = svg.COLOURS
    return colours[number % len(colours)], POINT_SHAPES[number // len(colours) % len(POINT_SHAPES)]


def _drawn(point: MapPoint, colour: str, shape: str) -> Iterator[str]:
    """Yield a point; its name is shown when the pointer is over it."""
    if point.kind == "clip":
        yield _shape(*_at(point), 5, shape, colour, escape(f"{point.label}: {point.name}"))
    else:
        name = escape(f"prototype of {point.label}")
        yield _shape(*_at(point), 11, shape, colour, name, hollow=True)


def _video(point: MapPoint, colour: str, number: int) -> Iterator[str]:
    """Yield a new video as a cross with its number in the table."""
    x, y = _at(point)
    name = escape(f"{point.name}: {point.label}")
    yield _shape(x, y, 9, "cross", colour or None, name, hollow=True)
    yield svg.text(x + 13, y + 5, str(number), colour=None, size=14, weight=600)


def _at(point: MapPoint) -> tuple[float, float]:
    return MAP_MARGIN + MAP_SIDE * point.x, MAP_MARGIN + MAP_SIDE * (1 - point.y)


def _shape(
    x: float, y: float, r: float, shape: str, colour: str | None, name: str, *, hollow: bool = False
) -> str:
    """Return a mark with its middle and its radius; ``name`` is escaped."""
    if shape == "cross":
        path = f"M{x - r:.1f} {y - r:.1f} l{2 * r:g} {2 * r:g} m{-2 * r:g} 0 l{2 * r:g} {-2 * r:g}"
    elif shape == "circle":
        path = (
            f"M{x - r:.1f} {y:.1f} a{r:g} {r:g} 0 1 0 {2 * r:g} 0 a{r:g} {r:g} 0 1 0 {-2 * r:g} 0 Z"
        )
    else:
        corners = {"square": (45, 4), "triangle": (90, 3), "diamond": (90, 4)}[shape]
        turns = [math.radians(corners[0] + 360 * i / corners[1]) for i in range(corners[1])]
        at = " L".join(f"{x + r * math.cos(a):.1f} {y - r * math.sin(a):.1f}" for a in turns)
        path = f"M{at} Z"
    return svg.element(
        "path",
        f"<title>{name}</title>",
        d=path,
        class_="mark" if colour else "mark other",
        fill="none" if hollow else colour,
        stroke=colour,
        stroke_width=3 if hollow else None,
        fill_opacity=None if hollow else 0.75,
    )
