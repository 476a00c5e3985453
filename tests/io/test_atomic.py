"""Files are there as a whole or not at all."""

from pathlib import Path

import pytest

from fewact.io.atomic import replacing, write_text


def fail_half_way(target: Path) -> None:
    with replacing(target) as new:
        new.write_text("half")
        raise KeyError


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    target = write_text(tmp_path / "below" / "file.txt", "whole\n")
    with pytest.raises(KeyError):
        fail_half_way(target)
    assert target.read_text() == "whole\n"
    assert list(target.parent.iterdir()) == [target]


def test_two_that_write_the_same_file_are_not_in_each_others_way(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_text("one")
        second.write_text("two")
    assert target.read_text() == "one"
