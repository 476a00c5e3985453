"""The report of a file of events."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.event_page import event_page

ROWS = "video,label,start,end\na.mp4,wave,1,3\na.mp4,clap,4,6\nb.mp4,wave,2,4\nb.mp4,clap,5,4\n"


def test_a_report_has_an_ethogram_the_numbers_and_all_events(tmp_path: Path) -> None:
    file = tmp_path / "scored.csv"
    file.write_text(ROWS)
    page, skipped = event_page(file)
    assert (page.title, skipped) == ("scored.csv", 1)
    assert [section.title for section in page.sections] == ["Ethogram", "Numbers", "All events"]
    ethogram, numbers, events = page.sections
    assert ethogram.drawing is not None
    assert [row[:3] for row in numbers.tables[0].rows] == [
        ("a.mp4", "clap", "1"),
        ("a.mp4", "wave", "1"),
        ("b.mp4", "clap", "0"),
        ("b.mp4", "wave", "1"),
    ]
    assert len(events.tables[0].rows) == 3
    file.write_text(ROWS.splitlines()[0])
    with pytest.raises(DataError):
        event_page(file)
