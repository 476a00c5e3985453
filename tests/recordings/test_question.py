"""What is to be found: clips, and segments that are marked right or wrong."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.find import proposals, read_again
from fewact.recordings.formats import Event
from fewact.recordings.index import Archive
from fewact.recordings.question import Question, with_marks


def test_marks_change_the_answer(
    archive: Archive, question: Question, long_recording: Path
) -> None:
    found = read_again(proposals(archive, question, 6), question)
    first, other = found[0], found[-1]
    marks = [
        Event("right", one.start, one.end, recording=str(long_recording), mark=mark)
        for one, mark in ((first, "wrong"), (other, "right"))
    ]
    again = read_again([first, other], with_marks(question, marks))
    assert (again[0].start, again[1].start) == (other.start, first.start)
    with pytest.raises(DataError, match="no segment is marked"):
        with_marks(question, [Event("right", 0, 1, mark="?")])
    with pytest.raises(DataError, match=r"unknown marks.*rigth"):
        with_marks(question, [*marks, Event("right", 0, 1, mark="rigth")])
