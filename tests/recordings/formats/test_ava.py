"""Tables of AVA: a point event for each action of a person."""

from pathlib import Path

from fewact.recordings.formats import Event, read_events


def test_rows_are_point_events_of_people(tmp_path: Path) -> None:
    path = tmp_path / "ava.csv"
    path.write_text(
        "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n-5KQ66BBWC4,903.5,0,0,1,1,9,0\nx,y\n"
    )
    table = read_events(path)
    assert table.events == [
        Event("80", 902.0, 902.0, recording="-5KQ66BBWC4", subject="1"),
        Event("9", 903.5, 903.5, recording="-5KQ66BBWC4", subject="0"),
    ]
    assert "line 3" in table.skipped[0]
    assert any("boxes" in note for note in table.notes)
