"""Events that are in a file twice, or may be scored by two people."""

from pathlib import Path

import pytest

from fewact.recordings.formats import read_events


@pytest.mark.parametrize(
    ("second", "warnings"),
    [
        ("clap,12.6,16.6,", 1),
        ("clap,12.8,16.4,", 1),
        ("wave,12.8,16.4,", 0),
        ("clap,12.6,16.6,m2", 0),
        ("clap,16.0,19.0,", 0),
    ],
)
def test_events_that_may_be_scored_twice_are_named(
    tmp_path: Path, second: str, warnings: int
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"video,label,start,end,subject\nm.mp4,clap,12.6,16.6,\nm.mp4,{second}\n")
    table = read_events(path)
    assert (len(table.events), len(table.skipped), len(table.warnings)) == (2, 0, warnings)
