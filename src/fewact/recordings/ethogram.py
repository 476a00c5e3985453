"""Ethograms: a row for each subject and class, time to the right."""

from collections.abc import Mapping, Sequence
from itertools import product

from fewact.recordings.event_text import clock_time
from fewact.recordings.formats import Event
from fewact.recordings.formats.event import by_subject
from fewact.report import svg
from fewact.report.document import Drawing

ROW_HEIGHT = 22.0
"""Height of a row in pixels, as the other sizes."""

NAMES_WIDTH = 160.0
"""Least width of the names."""

TIME_WIDTH = 800.0
"""Width of the longest recording."""

TITLE_HEIGHT = 30.0
LETTER_WIDTH = 7.5


def ethogram(
    events: Sequence[Event], durations: Mapping[str, float], classes: Sequence[str]
) -> Drawing:
    """Return a drawing: below each recording a row for each subject and class, time to the right.

    Args:
        events: Events.
        durations: Duration of each recording, in seconds.
        classes: Classes.
    """
    parts, y = list[str](), 0.0
    longest = max([*durations.values(), 1e-3])
    names = {subject: f"{subject}: " if subject else "" for subject in by_subject(events)}
    longest_name = max((len(n + label) for n in names.values() for label in classes), default=0)
    left = max(NAMES_WIDTH, 20 + LETTER_WIDTH * longest_name)
    bar = ROW_HEIGHT - 6
    for recording, duration in durations.items():
        width = TIME_WIDTH * duration / longest
        parts.append(svg.text(10, y + 20, recording or "recording", weight=600))
        parts.append(svg.text(left + width, y + 20, clock_time(duration), anchor="end"))
        y += TITLE_HEIGHT
        events_of = by_subject(event for event in events if event.recording == recording)
        for subject, label in product(events_of, classes):
            shown = [event for event in events_of[subject] if str(event.label) == label]
            if subject and not shown:
                continue
            parts.append(svg.text(10, y + 15, names[subject] + label))
            parts.append(svg.rectangle(left, y + 3, width, bar, svg.PALE, class_="frame"))
            colour = svg.COLOURS[classes.index(label) % len(svg.COLOURS)]
            for event in shown:
                x = left + TIME_WIDTH * event.start / longest
                length = max(0.5, TIME_WIDTH * (min(event.end, duration) - event.start) / longest)
                parts.append(svg.rectangle(x, y + 3, length, bar, colour))
            y += ROW_HEIGHT
    return Drawing(left + TIME_WIDTH + 20, y + 10, tuple(parts), "Ethogram")
