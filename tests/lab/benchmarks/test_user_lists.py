"""Lists of custom clips from folders and tables."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError, OptionError
from fewact.data import Video
from fewact.lab.benchmarks import list_folder, list_table
from fewact.lab.benchmarks.user_lists import make_list
from tests.lab.benchmarks.small import create
from tests.refused import refused

HEADER = "path,label,split,group\n"


def table(root: Path, text: str) -> Path:
    create(root, "a.mp4")
    file = root / "clips.csv"
    file.write_text(text)
    return file


def test_folder(tmp_path: Path) -> None:
    create(tmp_path / "mine", "wave/2.mp4", "wave/10.mp4", "clap/x/img1.jpg", "none/9.mp4")
    videos = list_folder(tmp_path / "mine")
    assert (videos.name, videos.groups, videos.flags) == ("mine", "none", ())
    assert [(v.id, v.label, v.split) for v in videos.videos] == [
        ("clap/x", "clap", None),
        ("wave/2.mp4", "wave", None),
        ("wave/10.mp4", "wave", None),
    ]
    assert all(v.clip and v.clip.path == tmp_path / "mine" / v.id for v in videos.videos)


def test_folder_with_splits(tmp_path: Path) -> None:
    create(tmp_path, "Train/a/1.mp4", "Train/b/1.mp4", "test/c/1.mp4", "test/d/1.mp4")
    videos = list_folder(tmp_path)
    assert [(v.id, v.split) for v in videos.videos] == [
        ("Train/a/1.mp4", "train"),
        ("Train/b/1.mp4", "train"),
        ("test/c/1.mp4", "test"),
        ("test/d/1.mp4", "test"),
    ]


def test_classes_may_have_names_of_splits(tmp_path: Path) -> None:
    create(tmp_path, "train/1.mp4", "test/1/img1.jpg")
    videos = list_folder(tmp_path)
    assert [(v.label, v.split) for v in videos.videos] == [("test", None), ("train", None)]


def test_splits_beside_other_folders_are_classes(tmp_path: Path) -> None:
    create(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "extra/c/1.mp4", "extra/d/1.mp4")
    with refused(DataError, where="extra", got="only folders: c, d"):
        list_folder(tmp_path)


def test_table(tmp_path: Path) -> None:
    rows = "a.mp4,wave,train,g1\nb.mp4,wave,TRAIN,g2\nc.mp4,clap,test,g3\n"
    videos = list_table(table(tmp_path, HEADER + rows))
    assert (videos.name, videos.groups) == ("clips", "within-class")
    assert [(v.id, v.label, v.split, v.group) for v in videos.videos] == [
        ("a.mp4", "wave", "train", "g1"),
        ("b.mp4", "wave", "train", "g2"),
        ("c.mp4", "clap", "test", "g3"),
    ]
    assert [v.clip.path for v in videos.videos if v.clip] == [
        tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4")
    ]


def test_table_of_segments(tmp_path: Path) -> None:
    rows = "a.mp4,wave,0:01,2.5\na.mp4,clap,3,\n"
    videos = list_table(table(tmp_path, "path,label,start,end\n" + rows))
    assert [v.id for v in videos.videos] == ["a.mp4#0:01-2.5", "a.mp4#3-"]
    assert [(v.clip.start, v.clip.end) for v in videos.videos if v.clip] == [(1, 2.5), (3, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "a.mp4,wave,training,\n", "unknown split.*training.*train, val, test"),
        (HEADER + "a.mp4,wave,train,\nb.mp4,clap,,\n", "b.mp4.*no split, others have"),
        (HEADER + "a.mp4,wave,,g1\nb.mp4,clap,,\n", "b.mp4.*no group.*1 of 2"),
        ("path,label,splits\na.mp4,wave,train\n", 'Did you mean "split"'),
        ("path,split\na.mp4,train\n", 'no column "label"'),
    ],
)
def test_invalid_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_table(table(tmp_path, text))


def with_groups(*rows: tuple[str, str | None]) -> list[Video]:
    return [Video(str(i), label, group=group) for i, (label, group) in enumerate(rows)]


PERSONS = with_groups(("wave", "s1"), ("wave", "s2"), ("clap", "s1"))
RECORDINGS = with_groups(("wave", "a"), ("wave", "b"), ("wave", "b"), ("clap", "c"))
UNGROUPED = with_groups(("wave", None), ("clap", None))


def test_scope_of_groups() -> None:
    for scope in ("none", "shared"):
        assert make_list("", PERSONS, scope, where="").groups == scope
    assert make_list("", RECORDINGS, "within-class", where="").groups == "within-class"
    assert make_list("", PERSONS, "auto", where="").groups == "shared"
    assert make_list("", RECORDINGS, "auto", where="").groups == "within-class"
    assert make_list("", UNGROUPED, "auto", where="").groups == "none"
    assert make_list("", [*PERSONS, *UNGROUPED], "none", where="").groups == "none"


def test_groups_that_are_missing_or_of_another_scope_are_refused() -> None:
    for videos, scope, message in (
        (UNGROUPED, "shared", "2 of 2 clips without one"),
        (UNGROUPED, "within-class", "2 of 2 clips without one"),
        ([*PERSONS, *UNGROUPED], "auto", "2 of 5 clips without one"),
    ):
        with pytest.raises(DataError, match=message):
            make_list("", videos, scope, where="")
    with refused(OptionError, where="groups", got="'person'", expected="within-class"):
        make_list("", PERSONS, "person", where="")


def test_rows_of_no_class_are_named(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r'left out, rows of the label "none": 1 \(b.mp4\)'):
        videos = list_table(table(tmp_path, "path,label\na.mp4,wave\nb.mp4,None\n"))
    assert [video.id for video in videos.videos] == ["a.mp4"]


def test_groups_of_several_classes_leak_within_classes(tmp_path: Path) -> None:
    text = "path,label,group\na.mp4,wave,ann\nb.mp4,nod,ann\n"
    with pytest.warns(UserWarning, match=r"groups of several classes \(ann\).*shared"):
        assert list_table(table(tmp_path, text), groups="within-class").groups == "within-class"
    assert list_table(table(tmp_path, text)).groups == "shared"
