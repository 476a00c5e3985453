"""Videos are found in any layout."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact.core.errors import DataError
from fewact.lab.benchmarks.lists import build_video
from fewact.lab.benchmarks.videos import VideoIndex, find_videos
from tests.lab.benchmarks.small import KINETICS, SSV2, UCF, Lines, make_benchmark, write_videos
from tests.refused import refused

FAMILIES = {"ssv2": SSV2, "kinetics": KINETICS, "ucf101": UCF}


@pytest.mark.parametrize("family", FAMILIES)
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
    lines: Lines = FAMILIES[family]
    bench = make_benchmark(lines, family)
    index = VideoIndex(write_videos(tmp_path, lines, form), bench)
    for split, label, video in lines:
        found = index.find(build_video(bench, split, label, video))
        assert found == tmp_path / form.format(split=split, label=label, video=video)
    assert index.find(build_video(bench, "train", lines[0][1], "missing")) is None


def test_case_does_not_matter(tmp_path: Path) -> None:
    bench = make_benchmark(UCF, "ucf101")
    lower = [(split, label.lower(), video.lower()) for split, label, video in UCF]
    index = VideoIndex(write_videos(tmp_path, lower, "{label}/{video}.AVI"), bench)
    assert all(index.find(build_video(bench, *line)) for line in UCF)


def test_youtube_names_with_time_stamps(tmp_path: Path) -> None:
    bench = make_benchmark(KINETICS, "kinetics")
    index = VideoIndex(write_videos(tmp_path, KINETICS, "{video}_000012_000022.mp4"), bench)
    for line in KINETICS:
        found = index.find(build_video(bench, *line))
        assert found is not None
        assert found.name.startswith(line[2])  # also if two differ only in case


def test_the_best_of_several_files_is_used(tmp_path: Path) -> None:
    bench = make_benchmark(UCF, "ucf101")
    video = build_video(bench, *UCF[0])
    paths = [
        f"videos/BabyCrawling/{video.id}.avi",  # same spelling, in its class, a file
        f"frames/BabyCrawling/{video.id}/",
        f"a/{video.id}.avi",
        f"b/{video.id}.avi",
        f"BabyCrawling/more/BabyCrawling/{video.id.upper()}.avi",
    ]
    for number, expected in enumerate(paths):
        root = tmp_path / str(number)
        for path in reversed(paths[number:]):
            write_videos(root, [("train", "BabyCrawling", "")], path)
        assert VideoIndex(root, bench).find(video) == root / expected


def test_which_files_are_videos(tmp_path: Path) -> None:
    for name in (
        "a.mp4",
        ".hidden.mp4",
        "@eaDir/b.mp4",
        "notes.txt",
        "c/frame1.jpg",
        "d/cover.jpg",
    ):
        write_videos(tmp_path, [("train", "", "")], name)
    # A folder of thumbnails beside videos or folders is not a folder of images.
    for name in ("e/thumb1.jpg", "e/e.mp4", "f/thumb1.jpg", "f/g/g.mp4", "dots.in.name.mp4"):
        write_videos(tmp_path, [("train", "", "")], name)
    found = {os.path.relpath(path, tmp_path) for path in find_videos(tmp_path)}
    assert found == {"a.mp4", "c", "e/e.mp4", "f/g/g.mp4", "dots.in.name.mp4"}
    names = VideoIndex(tmp_path, make_benchmark(UCF, "ucf101")).names()
    assert sorted(names) == ["a", "c", "dots.in.name", "e", "g"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    write_videos(tmp_path / "linked", [("train", "", "")], "deep/a.mp4")
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (root / "linked").symlink_to(tmp_path / "linked")
    (root / "again").symlink_to(tmp_path / "linked")
    (root / "b" / "loop").symlink_to(root)
    (root / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    assert sorted(map(os.path.basename, find_videos(root))) == ["a.mp4", "gone.mp4"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with refused(DataError, where="absent"):
        list(find_videos(tmp_path / "absent"))
    (tmp_path / "file").touch()
    with refused(DataError, where="file"):
        list(find_videos(tmp_path / "file"))


def test_an_unreadable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with refused(DataError, where="closed"):
        list(find_videos(tmp_path))


PARTS = st.text("abAB._-1", min_size=1, max_size=4).filter(lambda part: part.strip(".") == part)


@settings(max_examples=40, deadline=None)
@given(all_parts=st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=6))
def test_find_videos_agrees_with_pathlib(
    tmp_path_factory: pytest.TempPathFactory, all_parts: list[list[str]]
) -> None:
    root = tmp_path_factory.mktemp("videos")
    for parts in all_parts:
        path = root.joinpath(*(f"d{part}" for part in parts[:-1]), parts[-1] + ".mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    expected = sorted(str(path) for path in root.rglob("*.mp4"))
    assert sorted(find_videos(root)) == expected
