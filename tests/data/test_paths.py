from pathlib import Path

import pytest

from fewact.core.errors import DataError, VideoError
from fewact.data import Clip, expand_paths, is_clip, natural_key
from fewact.data.files import check_one_clip, clips_below, find_recording
from fewact.video import Segments
from tests.refused import refused

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


@pytest.mark.parametrize("name", ["MOV001.MOD", "MOV002.TOD", "GL010001.LRV", "ch01.dav", "a.divx"])
def test_files_of_recorders_are_found_in_folders(folder: Path, name: str) -> None:
    (folder / "tape").mkdir()
    (folder / "tape" / name).touch()
    assert names("tape") == [f"tape/{name}"]


def test_a_named_file_counts_whatever_its_extension(folder: Path) -> None:
    (folder / "odd [1].xyz").touch()
    assert names("1.txt", "odd [1].xyz") == ["1.txt", "odd [1].xyz"]


def test_each_clip_is_listed_once(folder: Path) -> None:
    assert names("10.mp4", "./10.mp4", str(folder / "10.mp4"), "*.mp4") == ["10.mp4", "2.mp4"]


def test_circular_links_end(folder: Path) -> None:
    (folder / "a" / "again").symlink_to(folder)
    assert "a/again/2.mp4" not in names(".")
    assert len(list(clips_below(Path("a")))) == len(names("a")) == 5


@pytest.mark.parametrize("argument", ["*.webm", "empty"])
def test_arguments_without_clips_are_refused(folder: Path, argument: str) -> None:
    (folder / "empty").mkdir()
    (folder / "empty2").mkdir()
    with refused(DataError, where=argument):
        expand_paths(["2.mp4", argument])
    with pytest.raises(DataError) as caught:
        expand_paths([argument])
    assert not caught.value.hint, "it exists, or is no name"
    with pytest.raises(DataError):
        expand_paths([])


def test_a_missing_file_stops_the_others_only_if_all_are_missing(folder: Path) -> None:
    assert names("2.mp4", "missing.mp4") == ["2.mp4", "missing.mp4"]
    with refused(DataError, where="20.mp4", hint='"2.mp4"'):
        expand_paths(["20.mp4"])
    with refused(DataError, where="x.mp4, y.mp4"):
        expand_paths(["x.mp4", "y.mp4"])


def test_images_beside_or_above_other_clips_are_ignored_with_a_warning(folder: Path) -> None:
    for file in ("phone/IMG_1.jpg", "phone/1.mp4", "above/2.png", "above/day/1.mp4"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    for argument in ("phone", "above", "[pa]*o*e"):
        with pytest.warns(UserWarning, match="ignored, images in a folder that has other clips"):
            assert all(name.endswith(".mp4") for name in names(argument))
    (folder / "a" / "x 1.jpg").touch()
    with pytest.warns(UserWarning, match=r": a/x 1\.jpg, phone/IMG_1\.jpg$"):
        found = names("a", "phone", "phone")
    assert found == ["a/b/y.avi", "a/frames", "a/x.mov", "phone/1.mp4"]
    (folder / "a" / "b" / "photo.jpg").touch()
    with pytest.warns(UserWarning, match=r": a/b/photo\.jpg$"):
        assert names("a/b") == ["a/b/y.avi"]
    (folder / "a" / "frames" / "cover.jpg").touch()
    assert names("a/frames") == ["a/frames"]
    (folder / "a" / "frames" / "notes").mkdir()
    assert [is_clip(Path(name)) for name in ("phone", "above", "a/frames")] == [False, False, True]
    assert names("a/frames") == ["a/frames"]


def test_a_folder_of_clips_is_refused_as_one_clip(folder: Path) -> None:
    (folder / "notes").mkdir()
    for path in (Path("a/frames"), Path("2.mp4"), Path("missing"), Path("notes")):
        check_one_clip(path)
    with refused(VideoError, where="a", what="3 clips", hint="a/b/y.avi"):
        check_one_clip(Path("a"))
    (folder / "a" / "b" / "1.jpg").touch()
    with refused(VideoError, where="a/b", what="1 clip"):
        Clip(Path("a/b")).read([Segments(2)])


def test_an_empty_path_is_not_the_current_folder(folder: Path) -> None:
    with refused(DataError, got="''"):
        expand_paths(["2.mp4", ""])


def test_natural_order() -> None:
    long = "1" * 5000  # more digits than Python reads as an integer
    listed = [long, "a2", "A10", "a1b", "a1", "b", "10", "009", "9", "é", "e\u0301", "x" * 3]
    ordered = sorted(listed, key=natural_key)
    numbers, texts = ["009", "9", "10", long], ["a1", "a1b", "a2", "A10", "b", "xxx"]
    assert ordered == [*numbers, *texts, "e\u0301", "é"]


def test_names_with_brackets_that_exist_are_names(folder: Path) -> None:
    (folder / "day [1]").mkdir()
    (folder / "day 1").mkdir()
    for name in ("day [1]/a [2].mp4", "day [1]/b.mp4", "day 1/c.mp4"):
        (folder / name).touch()
    assert names("day [1]") == ["day [1]/a [2].mp4", "day [1]/b.mp4"]
    assert names("day [1]/*.mp4") == ["day [1]/a [2].mp4", "day [1]/b.mp4"]
    assert names("day [1]/a [2].mp4") == ["day [1]/a [2].mp4"]
    assert names("day [12]/*.mp4") == ["day 1/c.mp4"]


def test_names_are_found_in_the_other_form_of_unicode(folder: Path) -> None:
    for name in ("U\u0308bung/a\u0301.mp4", "\u00c9t\u00e9.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert names("\u00dcbung/\u00e1.mp4") == ["U\u0308bung/a\u0301.mp4"]
    assert names("E\u0301te\u0301.mp4") == ["\u00c9t\u00e9.mp4"]
    found = find_recording(folder, "x/\u00dcbung/\u00e1.mp4")
    assert found == folder / "x/\u00dcbung/\u00e1.mp4"
    assert find_recording(folder / "U\u0308bung", "\u00e1") == folder / "U\u0308bung/a\u0301.mp4"
