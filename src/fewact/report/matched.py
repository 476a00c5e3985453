"""The page that shows how aligners match two clips: one HTML file that needs nothing else."""

from fewact.classifier.match import AlignerMatch, MatchedClips
from fewact.report.explanation import HEIGHT, JOINED, WIDTH, joined, square_of, strip
from fewact.report.pages import drawing, render_page


def matched_page(clips: MatchedClips) -> str:
    """Return the page as HTML; names are escaped, images are embedded."""
    matches = [
        {
            "aligner": aligner_match.aligner,
            "similarity": aligner_match.similarity,
            "windows": aligner_match.match.compares,
            "drawing": _pair(clips, aligner_match),
            "plan": square_of(aligner_match.match.plan, title=f"plan of {aligner_match.aligner}"),
        }
        for aligner_match in clips.found
    ]
    return render_page("matched.html.j2", clips=clips, matches=matches)


def _pair(clips: MatchedClips, aligner_match: AlignerMatch) -> str:
    """Draw both clips, the weight of each window, and ribbons between matched windows."""
    below = HEIGHT + JOINED
    parts = [
        *strip(clips.first_frames, 0.0),
        *joined(aligner_match.match, HEIGHT),
        *strip(clips.second_frames, below),
    ]
    title = f"{aligner_match.aligner}: {clips.first} and {clips.second}"
    return drawing(WIDTH, below + HEIGHT, parts, title=title)
