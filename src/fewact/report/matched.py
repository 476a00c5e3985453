"""The page that shows how aligners match two clips: one HTML file that needs nothing else."""

from fewact import svg
from fewact.classifier.matched import AlignerMatch, MatchedClips
from fewact.report.explanation import HEIGHT, JOINED, WIDTH, joined, strip
from fewact.report.pages import drawing, render_page

CELL = 16.0
"""Side of a cell of a plan in pixels."""


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
    below = HEIGHT + JOINED
    parts = [
        *strip(found.first_frames, 0.0),
        *joined(one.match, HEIGHT),
        *strip(found.second_frames, below),
    ]
    title = f"{one.aligner}: {found.first} and {found.second}"
    return drawing(WIDTH, below + HEIGHT, parts, title=title)


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
