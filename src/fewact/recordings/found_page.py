"""The page of segments that were found in an index: a player for each, which starts there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from fewact.classifier.pictures import thumbnail
from fewact.core.errors import UserError
from fewact.core.version import __version__
from fewact.recordings.event_text import clock_time
from fewact.recordings.segments import Segment, events_of
from fewact.report.document import Page, Player, Section


def found_page(
    title: str,
    text: Sequence[str],
    groups: Mapping[str, Sequence[Segment]],
    *,
    to_mark: bool = False,
) -> Page:
    """Return a page with a section for each group of segments, to be marked right or wrong."""
    sections = tuple(
        Section(name, players=tuple(_player(segment, to_mark) for segment in segments))
        for name, segments in groups.items()
    )
    return Page(title, tuple(text), sections, f"Written by fewact {__version__}.")


def _player(segment: Segment, to_mark: bool) -> Player:
    span = f"{clock_time(segment.start)} to {clock_time(segment.end)}"
    numbers = ""
    if segment.similarity is not None and segment.probability is not None:
        numbers = f", {100 * segment.probability:.0f} %"
    path = Path(segment.recorded.path).absolute()
    address = f"file://{quote(path.as_posix())}#t={segment.start:.3f},{segment.end:.3f}"
    jpeg = b""
    if segment.recorded.is_there:
        try:
            jpeg = thumbnail(segment.clip)
        except UserError:  # the page names it all the same
            jpeg = b""
    (event,) = events_of([replace(segment, recorded=replace(segment.recorded, path=path))])
    return Player(
        f"{path.name}, {span}{numbers}", address, jpeg, event.to_dict() if to_mark else None
    )
