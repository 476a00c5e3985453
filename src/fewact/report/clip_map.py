"""The page that shows a model's clips as points: one HTML file that needs nothing else."""

import math
from collections.abc import Iterator
from html import escape

from fewact.classifier.clip_map import ClipMap, MapPoint
from fewact.core import svg
from fewact.report.document import drawing, render_page

SIDE, MARGIN, LINE, COLUMN = 640.0, 40.0, 20.0, 220.0
SHAPES = ("circle", "square", "triangle", "diamond")
"""Shapes of the classes after the first ones have taken all colours."""


def map_page(clip_map: ClipMap) -> str:
    """Return the page as HTML; names are escaped."""
    width = SIDE + 2 * MARGIN
    marks = {label: _mark(i) for i, label in enumerate(clip_map.classes)}
    parts = [svg.rectangle(0, 0, width, width, None, class_="frame", fill_opacity=0.35)]
    videos = [point for point in clip_map.points if point.kind == "video"]
    of_model = [point for point in clip_map.points if point.kind != "video"]
    for point in of_model:
        parts += _drawn(point, *marks[point.label])
    for number, video in enumerate(videos, start=1):
        colour, _ = marks.get(video.label, ("", ""))  # "(none)" has no colour
        parts += _video(video, colour, number)
    columns = max(1, int(width // COLUMN))
    for i, (label, (colour, shape)) in enumerate(marks.items()):
        x, y = 12 + COLUMN * (i % columns), width + 24 + LINE * (i // columns)
        parts.append(_shape(x, y - 4, 5, shape, colour, escape(label)))
        parts.append(svg.text(x + 12, y, label, colour=None, size=13))
    height = width + 24 + LINE * math.ceil(len(marks) / columns)
    title = f"{len(of_model) - len(marks)} training clips, {len(marks)} classes"
    return render_page(
        "map.html.j2",
        clip_map=clip_map,
        title=title,
        videos=videos,
        drawing=drawing(width, height, parts, title=title),
    )


def _mark(number: int) -> tuple[str, str]:
    """Return colour and shape of a class."""
    colours = svg.COLOURS
    return colours[number % len(colours)], SHAPES[number // len(colours) % len(SHAPES)]


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
    return MARGIN + SIDE * point.x, MARGIN + SIDE * (1 - point.y)


def _shape(
    x: float, y: float, r: float, shape: str, colour: str | None, name: str, *, hollow: bool = False
) -> str:
    """Return a mark with its centre and its radius; ``name`` is escaped."""
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
