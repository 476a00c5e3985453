"""A class name that one door takes, all take; a name that one refuses, all refuse."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fewact.classifier.names import check_label, new_name
from fewact.core.errors import DataError
from fewact.data import read_table
from fewact.data.class_names import LONGEST_NAME
from fewact.page.names import class_name
from fewact.recordings.formats import read_events
from tests.lab.benchmarks.small import create

Door = Callable[[Path, str], object]


def of_table(folder: Path, name: str) -> object:
    create(folder, "a.mp4")
    table = folder / "clips.csv"
    table.write_text(f'path,label\na.mp4,"{name}"\n', encoding="utf-8")
    (clip,) = read_table(table)
    return clip.label


def of_events(folder: Path, name: str) -> object:
    table = folder / "events.csv"
    table.write_text(f'video,start,end,label\na.mp4,1,2,"{name}"\n', encoding="utf-8")
    read = read_events(table)
    if read.skipped:
        raise DataError(read.skipped[0])
    return read.events[0].label


DOORS: dict[str, Door] = {
    "folder of clips": lambda folder, name: check_label(name),
    "rename": lambda folder, name: new_name(name, ["other"]),
    "table": of_table,
    "events": of_events,
    "page": lambda folder, name: class_name(name),
}


@pytest.mark.parametrize("door", sorted(DOORS))
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("می\u200cشود", "می\u200cشود"),
        ("cafe\u0301", "café"),
        (" wave ", "wave"),
        ("🏋️\u200d♀️ lift", "🏋️\u200d♀️ lift"),
        ("w" * LONGEST_NAME, "w" * LONGEST_NAME),
    ],
)
def test_every_door_takes_a_name(door: str, given: str, name: str, tmp_path: Path) -> None:
    assert DOORS[door](tmp_path, given) == name


@pytest.mark.parametrize("door", sorted(DOORS))
@pytest.mark.parametrize("name", ["a\u202eb", "\u2066a\u2069", "a\x07b", "w" * 256, "\u200cwave"])
def test_every_door_refuses_a_name_and_shows_no_control(
    door: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as refused:
        DOORS[door](tmp_path, name)
    assert str(LONGEST_NAME) in f"{refused.value.expected} {refused.value}"
    assert not re.search(r"[\x07\u202a-\u202e\u2066-\u2069]", str(refused.value))
