"""Videos are found whatever the layout, by one walk."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.data.lists import make_video
from fewact.data.tree import Tree, walk
from fewact.errors import DataError
from tests.data.small import KINETICS, SSV2, UCF, Lines, make, write_videos

KINDS = {"ssv2": SSV2, "kinetics": KINETICS, "ucf101": UCF}


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize(
    "form",
    [
        "{video}.webm",
        "{label}/{video}.avi",
        "{label}/{video}.MKV",
        "videos/{split}_256/{label}/{video}.mp4",
        "{label}/{video}/",
        "{video}/",
        "{video}.mp4/",
    ],
)
def test_layouts(tmp_path: Path, family: str, form: str) -> None:
    lines: Lines = KINDS[family]
    bench = make(lines, family)
    tree = Tree(write_videos(tmp_path, lines, form), bench)
    for split, label, video in lines:
        found = tree.find(make_video(bench, split, label, video))
        assert found == tmp_path / form.format(split=split, label=label, video=video)
    assert tree.find(make_video(bench, "train", lines[0][1], "missing")) is None


def test_case_does_not_matter(tmp_path: Path) -> None:
    bench = make(UCF, "ucf101")
    lower = [(split, label.lower(), video.lower()) for split, label, video in UCF]
    tree = Tree(write_videos(tmp_path, lower, "{label}/{video}.AVI"), bench)
    assert all(tree.find(make_video(bench, *line)) for line in UCF)


def test_youtube_names_with_time_stamps(tmp_path: Path) -> None:
    bench = make(KINETICS, "kinetics")
    tree = Tree(write_videos(tmp_path, KINETICS, "{video}_000012_000022.mp4"), bench)
    for line in KINETICS:
        found = tree.find(make_video(bench, *line))
        assert found is not None
        assert found.name.startswith(line[2])  # also of the two that differ in case only


def test_of_several_the_best(tmp_path: Path) -> None:
    bench = make(UCF, "ucf101")
    video = make_video(bench, *UCF[0])
    places = [
        f"videos/BabyCrawling/{video.id}.avi",  # spelled alike, in its class, a file
        f"frames/BabyCrawling/{video.id}/",
        f"a/{video.id}.avi",
        f"b/{video.id}.avi",
        f"BabyCrawling/more/BabyCrawling/{video.id.upper()}.avi",
    ]
    for number, expected in enumerate(places):
        root = tmp_path / str(number)
        for place in reversed(places[number:]):
            write_videos(root, [("train", "BabyCrawling", "")], place)
        assert Tree(root, bench).find(video) == root / expected


def test_what_counts(tmp_path: Path) -> None:
    for name in (
        "a.mp4",
        ".hidden.mp4",
        "@eaDir/b.mp4",
        "notes.txt",
        "c/frame1.jpg",
        "d/cover.jpg",
    ):
        write_videos(tmp_path, [("train", "", "")], name)
    # Thumbnails beside videos or folders make no folder of frames.
    for name in ("e/thumb1.jpg", "e/e.mp4", "f/thumb1.jpg", "f/g/g.mp4", "dots.in.name.mp4"):
        write_videos(tmp_path, [("train", "", "")], name)
    found = {os.path.relpath(one.path, tmp_path): (one.name, one.frames) for one in walk(tmp_path)}
    assert found == {
        "a.mp4": ("a", False),
        "c": ("c", True),
        "e/e.mp4": ("e", False),
        "f/g/g.mp4": ("g", False),
        "dots.in.name.mp4": ("dots.in.name", False),
    }


def test_links(tmp_path: Path) -> None:
    write_videos(tmp_path / "far", [("train", "", "")], "deep/a.mp4")
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (root / "far").symlink_to(tmp_path / "far")
    (root / "again").symlink_to(tmp_path / "far")
    (root / "b" / "loop").symlink_to(root)
    (root / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    assert Counter(one.name for one in walk(root)) == {"a": 1, "gone": 1}


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(walk(tmp_path / "absent"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="this is a file"):
        list(walk(tmp_path / "file"))


def test_a_part_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"closed.*Permission denied"):
        list(walk(tmp_path))


PARTS = st.text("abAB._-1", min_size=1, max_size=4).filter(lambda part: part.strip(".") == part)


@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=6))
def test_walk_finds_what_pathlib_finds(
    tmp_path_factory: pytest.TempPathFactory, places: list[list[str]]
) -> None:
    root = tmp_path_factory.mktemp("walk")
    for folders in places:
        path = root.joinpath(*(f"d{part}" for part in folders[:-1]), folders[-1] + ".mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    expected = sorted(str(path) for path in root.rglob("*.mp4"))
    assert sorted(one.path for one in walk(root)) == expected
