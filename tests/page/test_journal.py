"""The journal on the disk: torn lines, full disks, long files; and one server at a time."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fewact.core.errors import ModelError, OutputError
from fewact.page.folder import JOURNAL_FILE, Journal, PageFolder
from fewact.page.state import ActionChanged, ClipsAdded, PageClip, StepUndone, new_id


def add(journal: Journal, name: str) -> None:
    journal.append(ActionChanged(id=new_id(), what="add_class", name=name))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two actions."""
    journal = Journal(tmp_path / "journal.jsonl")
    add(journal, "wave")
    add(journal, "throw")
    return tmp_path / "journal.jsonl"


def test_what_is_appended_is_read_again_and_an_id_is_used_once(path: Path) -> None:
    journal = Journal(path)
    entry = ActionChanged(id="1", what="rename", name="wave", to="hello")
    assert journal.append(entry)
    again = Journal(path)
    assert again.state == journal.state
    assert again.state.classes == ("hello", "throw")
    assert (again.entry("1"), again.entry("2")) == (entry, None)
    size = path.stat().st_size
    assert not again.append(ActionChanged(id="2", what="rename", name="jump", to="hop"))
    assert path.stat().st_size == size  # what changes nothing is not written


def test_a_last_line_that_is_cut_anywhere_is_ignored_and_replaced(path: Path) -> None:
    whole = path.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for content in (
        *(whole[:end] for end in range(begin, len(whole))),
        whole[:begin] + bytes(len(whole) - begin),  # after a power loss
        whole[:-9] + b"x" + whole[-8:],
    ):
        path.write_bytes(content)
        journal = Journal(path)
        assert journal.state.classes == ("wave",)
        add(journal, "throw")
        assert Journal(path).state.classes == ("wave", "throw")
        assert path.read_bytes().count(b"\n") == 3


def test_any_other_damage_is_refused(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for content in (
        b"",
        b"{}\n",
        first[:-5],
        second + third,
        first + second[:20] + b"0" + second[21:] + third,
        first + second[1:] + third,
        first + first + third,
        first.replace(b'"version":5', b'"version":9') + second,
    ):
        path.write_bytes(content)
        if content:
            with pytest.raises(ModelError, match="damaged or of another version"):
                Journal(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelError):
        Journal(path)


@pytest.mark.parametrize("fault", ["write", "fsync"])
def test_an_entry_that_cannot_be_written_leaves_the_journal_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    journal = Journal(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if fault == "fsync":
            patch.setattr("fewact.page.folder.os.fsync", fail)
        else:
            patch.setattr(Path, "open", fail)
        with pytest.raises(OutputError, match="no space left"):
            add(journal, "jump")
    assert (journal.state.classes, path.read_bytes()) == (("wave", "throw"), before)
    add(journal, "jump")
    assert Journal(path).state.classes == ("wave", "throw", "jump")


def test_a_long_journal_becomes_short_and_its_latest_steps_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.folder.MOST_ENTRIES", 40)
    monkeypatch.setattr("fewact.page.folder.MOST_LATEST", 20)
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    clips = {
        f"{i:016x}": PageClip(file=f"{i:016x}.mp4", name="我.mp4", label="0") for i in range(9)
    }
    journal.append(ClipsAdded(id=new_id(), clips=clips))
    for number in range(1, 100):
        journal.append(
            ActionChanged(id=new_id(), what="rename", name=str(number - 1), to=str(number))
        )
    assert path.read_bytes().count(b"\n") <= 41
    again = Journal(path)
    assert again.state == journal.state
    assert {clip.label for clip in again.state.clips.values()} == {"99"}
    count = len(again.state.steps)
    assert count >= 20
    for number in reversed(range(99 - count, 99)):
        again.append(StepUndone(id=new_id(), step=again.state.last_step))
        assert again.state.classes == (str(number),)


def test_a_journal_stays_readable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewact.page.folder.JOURNAL_FILE", replace(JOURNAL_FILE, ceiling=1000))
    journal = Journal(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="too large"):
        add(journal, "x" * 1000)
    assert path.read_bytes() == before


def test_one_server_of_a_model_at_a_time(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path / "model")
    lock = folder.path / "lock" / "serve"
    with pytest.raises(ModelError, match="another `fewact serve` has this model open"):
        PageFolder(tmp_path / "model")
    folder.close()
    assert lock.is_file()  # another server may have opened it
    again = PageFolder(tmp_path / "model")
    folder.close()
    with pytest.raises(ModelError, match="another `fewact serve`"):
        PageFolder(tmp_path / "model")
    again.close()
