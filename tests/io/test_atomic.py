"""Files are written completely or not at all."""

from pathlib import Path

import pytest

from fewact.io.atomic import replacing, write_text


def fail_halfway(target: Path) -> None:
    with replacing(target) as new:
        new.write_text("half")
        raise KeyError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = write_text(tmp_path / "below" / "file.txt", "complete\n")
    with pytest.raises(KeyError):
        fail_halfway(target)
    assert target.read_text() == "complete\n"
    assert list(target.parent.iterdir()) == [target]


def test_concurrent_writes_of_a_file_do_not_interfere(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    with replacing(target) as first, replacing(target) as second:
        assert first != second
        first.write_text("one")
        second.write_text("two")
    assert target.read_text() == "one"
