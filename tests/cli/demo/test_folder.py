"""The demo's folder: its own files are replaced, other files are kept."""

from pathlib import Path

import pytest

from fewact.cli.demo.folder import RECORD, DemoFolder
from fewact.core.errors import DataError, OutputError


def test_files_of_the_demo_are_replaced(tmp_path: Path) -> None:
    root = tmp_path / "a" / "demo"
    DemoFolder(root).write("deep/result.svg", "one")
    DemoFolder(root).write("deep/result.svg", "two")
    assert (root / "deep" / "result.svg").read_text() == "two"
    assert sorted(path.name for path in root.iterdir()) == ["deep", RECORD]


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    DemoFolder(tmp_path).write("result.svg", "one")
    assert (tmp_path / "result.svg").read_text() == "one"


def test_a_file_that_was_changed_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    DemoFolder(root).write("result.svg", "one")
    (root / "result.svg").write_text("my notes")
    (root / "mine.txt").write_text("mine")
    again = DemoFolder(root)
    for name in ("result.svg", "mine.txt"):
        with pytest.raises(DataError, match="was changed later"):
            again.write(name, "two")
    assert (root / "result.svg").read_text() == "my notes"
    assert (root / "mine.txt").read_text() == "mine"


def test_folders_with_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(DataError):
            DemoFolder(target)
    (tmp_path / RECORD).write_text('{"format": "something else"}')
    with pytest.raises(DataError, match="other files"):
        DemoFolder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD, "thesis.txt"]


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.write("result.svg", "one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fewact.core.atomic.os.replace", fail)
    with pytest.raises(OutputError, match="no space"):
        folder.write("result.svg", "two")
    assert (tmp_path / "demo" / "result.svg").read_text() == "one"
