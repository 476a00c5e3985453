"""The page that shows how aligners match two clips: one HTML file that needs nothing else."""

from fewact.classifier.match import AlignerMatch, MatchedClips
from fewact.report.explanation import HEIGHT, JOINED, WIDTH, joined, square_of, strip
from fewact.report.pages import drawing, render_page


def matched_page(found: MatchedClips) -> str:
    """Return the page as HTML; names are escaped, images are embedded."""
    shown = [
        {
            "aligner": one.aligner,
            "similarity": one.similarity,
            "windows": one.match.compares,
            "drawing": _pair(found, one),
            "plan": square_of(one.match.plan, title=f"plan of {one.aligner}"),
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
