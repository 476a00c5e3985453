"""The page that shows how aligners match two clips: one HTML file that needs nothing else."""

from collections.abc import Iterator, Sequence

from fewact import svg
from fewact.classifier.matched import AlignerMatch, MatchedClips
from fewact.report.explanation import HEIGHT, RIBBONS, WIDTH, ribbons, strip
from fewact.report.pages import drawing, render_page

BARS = 26.0
"""Height of the bars of the windows' weights in pixels."""

CELL = 16.0
"""Side of a cell of a plan in pixels."""

Spans = Sequence[tuple[float, float]]


def matched_page(found: MatchedClips) -> str:
    """Return the page as HTML; names are escaped, images are embedded."""
    shown = [
        {
            "aligner": one.aligner,
            "similarity": one.similarity,
            "windows": one.match.compares,
            "drawing": _pair(found, one),
            "plan": _plan(one),
        }
        for one in found.found
    ]
    return render_page("matched.html.j2", found=found, shown=shown)


def _pair(found: MatchedClips, one: AlignerMatch) -> str:
    """Draw both clips, the weight of each window, and ribbons between matched windows."""
    rows = [sum(row) for row in one.match.plan]
    columns = [sum(column) for column in zip(*one.match.plan, strict=True)]
    most = max((*rows, *columns))
    first, second = HEIGHT + BARS, HEIGHT + BARS + RIBBONS
    below = second + BARS
    parts = [
        *strip(found.first_frames, 0.0),
        *_weights(one.match.query, rows, most, HEIGHT + 2, up=False),
        *ribbons(one.match, first, second),
        *_weights(one.match.support, columns, most, second, up=True),
        *strip(found.second_frames, below),
    ]
    title = f"{one.aligner}: {found.first} and {found.second}"
    return drawing(WIDTH, below + HEIGHT, parts, title=title)


def _weights(
    spans: Spans, weights: Sequence[float], most: float, top: float, *, up: bool
) -> Iterator[str]:
    """Draw the weight of each window as a bar at its centre; long windows have wide bars."""
    height = BARS - 4
    for (begin, end), weight in zip(spans, weights, strict=True):
        tall = height * weight / (most or 1.0)
        wide = max(2.0, WIDTH * (end - begin) / 6)
        x = WIDTH * (begin + end) / 2 - wide / 2
        y = top + height - tall if up else top
        yield svg.rectangle(x, y, wide, tall, None, class_="for", fill_opacity=0.6)


def _plan(one: AlignerMatch) -> str:
    """Draw the plan: a row for each window of the first clip, a column for each of the second."""
    plan = one.match.plan
    strongest = max(max(row) for row in plan) or 1.0
    parts = []
    for i, row in enumerate(plan):
        for j, weight in enumerate(row):
            square = (j * CELL + 0.5, i * CELL + 0.5, CELL - 1, CELL - 1)
            parts.append(svg.rectangle(*square, None, class_="frame"))
            if weight > 0:
                opacity = weight / strongest
                parts.append(svg.rectangle(*square, None, class_="for", fill_opacity=opacity))
    title = f"plan of {one.aligner}"
    return drawing(CELL * len(plan[0]), CELL * len(plan), parts, title=title)
