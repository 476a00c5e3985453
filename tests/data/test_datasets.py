"""A user's own clips as lists that episodes are drawn from."""

from pathlib import Path

import pytest

from fewact.data import FolderDataset, TableDataset, Video
from fewact.data.grouping import choose_groups
from fewact.errors import DataError, OptionError

HEADER = "path,label,split,group\n"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def table(root: Path, text: str) -> Path:
    touch(root, "a.mp4")
    file = root / "clips.csv"
    file.write_text(text)
    return file


def test_folder(tmp_path: Path) -> None:
    touch(tmp_path / "mine", "wave/2.mp4", "wave/10.mp4", "clap/x/img1.jpg", "none/9.mp4")
    videos = FolderDataset(tmp_path / "mine").videos
    assert (videos.name, videos.groups, videos.flags) == ("mine", "none", ())
    assert [(v.id, v.label, v.split) for v in videos.videos] == [
        ("clap/x", "clap", None),
        ("wave/2.mp4", "wave", None),
        ("wave/10.mp4", "wave", None),
    ]
    assert all(v.clip and v.clip.path == tmp_path / "mine" / v.id for v in videos.videos)


def test_folder_with_splits(tmp_path: Path) -> None:
    touch(tmp_path, "Train/a/1.mp4", "Train/b/1.mp4", "test/c/1.mp4", "test/d/1.mp4")
    videos = FolderDataset(tmp_path).videos
    assert [(v.id, v.split) for v in videos.videos] == [
        ("Train/a/1.mp4", "train"),
        ("Train/b/1.mp4", "train"),
        ("test/c/1.mp4", "test"),
        ("test/d/1.mp4", "test"),
    ]


def test_classes_called_like_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.mp4", "test/1/img1.jpg")
    videos = FolderDataset(tmp_path).videos
    assert [(v.label, v.split) for v in videos.videos] == [("test", None), ("train", None)]


def test_splits_beside_something_else(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.mp4", "train/b/1.mp4", "extra/c/1.mp4", "extra/d/1.mp4")
    with pytest.raises(DataError, match='the class "extra" has no clips'):
        FolderDataset(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        FolderDataset(tmp_path / "absent")
    with pytest.raises(DataError, match="not sorted into class folders"):
        FolderDataset(tmp_path)


def test_table(tmp_path: Path) -> None:
    rows = "a.mp4,wave,train,g1\nb.mp4,wave,TRAIN,g2\nc.mp4,clap,test,g3\n"
    videos = TableDataset(table(tmp_path, HEADER + rows)).videos
    assert (videos.name, videos.groups) == ("clips", "within-class")
    assert [(v.id, v.label, v.split, v.group) for v in videos.videos] == [
        ("a.mp4", "wave", "train", "g1"),
        ("b.mp4", "wave", "train", "g2"),
        ("c.mp4", "clap", "test", "g3"),
    ]
    assert [v.clip.path for v in videos.videos if v.clip] == [
        tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4")
    ]


def test_table_of_stretches(tmp_path: Path) -> None:
    rows = "a.mp4,wave,0:01,2.5\na.mp4,clap,3,\n"
    videos = TableDataset(table(tmp_path, "path,label,start,end\n" + rows)).videos
    assert [v.id for v in videos.videos] == ["a.mp4#0:01-2.5", "a.mp4#3-"]
    assert [(v.clip.start, v.clip.end) for v in videos.videos if v.clip] == [(1, 2.5), (3, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "a.mp4,wave,training,\n", "no such split.*training.*train, val, test"),
        (HEADER + "a.mp4,wave,train,\nb.mp4,clap,,\n", "b.mp4.*no split, others have"),
        (HEADER + "a.mp4,wave,,g1\nb.mp4,clap,,\n", "b.mp4.*no group.*1 of 2"),
        ("path,label,splits\na.mp4,wave,train\n", 'meant to be "split"'),
        ("path,split\na.mp4,train\n", 'no column "label"'),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        TableDataset(table(tmp_path, text))


def grouped(*rows: tuple[str, str | None]) -> list[Video]:
    return [Video(str(i), label, group=group) for i, (label, group) in enumerate(rows)]


PERSONS = grouped(("wave", "s1"), ("wave", "s2"), ("clap", "s1"))
RECORDINGS = grouped(("wave", "a"), ("wave", "b"), ("wave", "b"), ("clap", "c"))
UNGROUPED = grouped(("wave", None), ("clap", None))


def test_groups_are_settled() -> None:
    for wanted in ("none", "shared", "within-class"):
        assert choose_groups(PERSONS, wanted, where="") == wanted
    assert choose_groups(PERSONS, "auto", where="") == "shared"
    assert choose_groups(RECORDINGS, "auto", where="") == "within-class"
    assert choose_groups(UNGROUPED, "auto", where="") == "none"
    assert choose_groups([*PERSONS, *UNGROUPED], "none", where="") == "none"


@pytest.mark.parametrize("wanted", ["shared", "within-class"])
def test_groups_that_are_not_there(wanted: str) -> None:
    with pytest.raises(DataError, match="2 of 2 clips without one"):
        choose_groups(UNGROUPED, wanted, where="")


def test_groups_of_a_part() -> None:
    with pytest.raises(DataError, match="2 of 5 clips without one"):
        choose_groups([*PERSONS, *UNGROUPED], "auto", where="")


def test_no_way_to_keep_groups_apart() -> None:
    with pytest.raises(OptionError, match="within-class"):
        choose_groups(PERSONS, "person", where="")


@pytest.mark.assets
def test_real_clips(assets: Path) -> None:
    videos = FolderDataset(assets / "clips" / "ucf7").videos
    assert (len(videos.videos), len(videos.classes)) == (350, 7)
    assert all(v.clip and v.clip.path.is_file() for v in videos.videos)
