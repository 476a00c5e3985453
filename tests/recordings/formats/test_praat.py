"""TextGrids of Praat, in their long and short form."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.data.event_options import EventOptions
from fewact.recordings.formats import Event, read_events

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 9.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "gesture 2"
        xmin = 0
        xmax = 9.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 4.25
            text = ""
        intervals [2]:
            xmin = 4.25
            xmax = 9.5
            text = "say ""hi"" 3"
    item [2]:
        class = "TextTier"
        name = "taps"
        xmin = 0
        xmax = 9.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "tap"
"""
SHORT = """"ooTextFile"
"TextGrid"

0
9.5
<exists>
2
"IntervalTier"
"gesture 2"
0
9.5
2
0
4.25
""
4.25
9.5
"say ""hi"" 3"
"TextTier"
"taps"
0
9.5
1
1.5
"tap"
"""


@pytest.mark.parametrize("text", [LONG, f"File type = {SHORT}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_intervals_and_points_are_events(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(text, encoding=encoding)
    (tmp_path / "a.mp4").touch()
    table = read_events(path)
    assert table.events == [
        Event('say "hi" 3', 4.25, 9.5, recording="a.mp4"),
        Event("tap", 1.5, 1.5, recording="a.mp4"),
    ]
    assert any("1 interval without text" in note for note in table.notes)
    assert [e.label for e in read_events(path, EventOptions(tier="taps")).events] == ["tap"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("size = 2\nitem", "size = 3\nitem"), ("TextTier", "OtherTier"), ("xmax = 4.25", "xmax = x")],
)
def test_another_form_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(LONG.replace(old, new))
    with pytest.raises(DataError, match="not a TextGrid"):
        read_events(path)
