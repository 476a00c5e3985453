from pathlib import Path

import pytest

from fewact.data import expand_paths, natural_key
from fewact.data.paths import clips_below
from fewact.errors import DataError

FILES = ["2.mp4", "10.mp4", "1.txt", "a/x.mov", "a/b/y.avi", "a/frames/1.jpg", "a/.hidden/z.mp4"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [path.as_posix() for path in expand_paths(arguments)]


def test_files_folders_and_patterns(folder: Path) -> None:
    all_clips = ["2.mp4", "10.mp4", "a/b/y.avi", "a/frames", "a/x.mov"]
    assert names(".") == all_clips
    assert names("a") == all_clips[2:]
    assert names("*.mp4") == ["2.mp4", "10.mp4"]
    assert names("**/*.avi") == ["a/b/y.avi"]
    assert names("a/frames") == ["a/frames"]
    assert names("[12]*") == ["2.mp4", "10.mp4"]
    assert expand_paths([folder / "2.mp4"]) == [folder / "2.mp4"]


def test_a_named_file_counts_whatever_its_extension(folder: Path) -> None:
    (folder / "odd [1].xyz").touch()
    assert names("1.txt", "odd [1].xyz") == ["1.txt", "odd [1].xyz"]


def test_each_clip_is_listed_once(folder: Path) -> None:
    assert names("10.mp4", "./10.mp4", str(folder / "10.mp4"), "*.mp4") == ["10.mp4", "2.mp4"]


def test_circular_links_end(folder: Path) -> None:
    (folder / "a" / "again").symlink_to(folder)
    assert "a/again/2.mp4" not in names(".")
    assert len(list(clips_below(Path("a")))) == len(names("a")) == 5


@pytest.mark.parametrize("argument", ["missing.mp4", "*.webm", "empty"])
def test_arguments_without_clips_are_refused(folder: Path, argument: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="no clips found") as caught:
        expand_paths(["2.mp4", argument])
    assert str(caught.value).startswith(argument)
    with pytest.raises(DataError):
        expand_paths([])


def test_natural_order() -> None:
    listed = ["a2", "A10", "a1b", "a1", "b", "10", "9", "é", "e\u0301", "x" * 3]
    ordered = sorted(listed, key=natural_key)
    assert ordered == ["9", "10", "a1", "a1b", "a2", "A10", "b", "xxx", "e\u0301", "é"]
