"""What is to be found: clips, and segments that are marked right or wrong."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.find import read_again
from fewact.recordings.formats import Event
from fewact.recordings.question import Question, with_marks
from fewact.recordings.segments import Segment


@pytest.mark.slow
def test_marks_change_the_answer(
    question: Question, found: list[Segment], long_recording: Path
) -> None:
    first, other = found[0], found[-1]
    marks = [
        Event("right", one.start, one.end, recording=str(long_recording), mark=mark)
        for one, mark in ((first, "wrong"), (other, "right"))
    ]
    again = read_again([first, other], with_marks(question, marks))
    assert (again[0].start, again[1].start) == (other.start, first.start)
    for wrong, got in (("?", ""), ("rigth", "rigth")):
        with pytest.raises(DataError) as refused:
            with_marks(question, [Event("right", 0, 1, mark=wrong)])
        assert (refused.value.where, refused.value.got) == ("column mark", got)
