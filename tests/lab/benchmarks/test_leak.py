"""Data leaks: test videos and classes that are also in the training data."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewact.core.errors import DataError, UnknownNameError
from fewact.data import Clip, Video, VideoList
from fewact.lab.benchmarks import (
    benchmark,
    benchmark_names,
    find_leak,
    load_benchmark,
    refuse_leaks,
)
from tests.refused import refused


def listing(name: str, *rows: tuple[str, str]) -> VideoList:
    return VideoList(name, tuple(Video(id, label) for id, label in rows))


SMALL = "ssv2-small_cmn"
FULL = "ssv2-full_otam"


@pytest.mark.parametrize(
    ("train", "test", "videos", "classes"),
    [
        ("ssv2-full_otam", "ssv2-small", 700, 7),
        ("ssv2-full_trx", "SSv2 Small", 568, 7),
        ("ssv2-small_cmn", "ssv2-full_otam", 0, 9),
        ("ssv2-small_cmn", "ssv2-full_trx", 0, 9),
    ],
)
def test_leaks_between_published_lists(train: str, test: str, videos: int, classes: int) -> None:
    leak = find_leak(train, test)
    assert (leak.videos, leak.classes, leak.source) == (videos, classes, "facts")
    with pytest.raises(DataError, match=f"{videos} videos and {classes} classes"):
        refuse_leaks(train, test)
    (flag,) = refuse_leaks(train, test, allow_leak=True)
    assert flag.startswith("leak: ")
    assert str(videos) in flag


@pytest.mark.parametrize("name", benchmark_names())
def test_no_leak_within_a_benchmark(name: str) -> None:
    assert find_leak(name, name) is None
    assert refuse_leaks(name, name) == ()


def test_ambiguous_names_are_refused() -> None:
    with refused(UnknownNameError, got="'ssv2-full'"):
        find_leak("ssv2-full", "ssv2-small")


def test_lists_are_compared_by_video_and_class() -> None:
    small, full = benchmark(SMALL), benchmark(FULL)
    names = {c.name: c.key for c in full.classes["train"]}
    shared = next(c for c in small.classes["test"] if c.name in names)
    other = next(c for c in small.classes["test"] if c.name not in names)
    train = listing(FULL, ("1", names[shared.name]), ("2", names[shared.name]))
    test = listing(SMALL, ("2", shared.key), ("3", shared.key), ("4", other.key))
    leak = find_leak(train, test)
    assert (leak.videos, leak.classes, leak.source) == (1, 1, "lists")
    assert find_leak(train, listing(SMALL, ("4", other.key))) is None
    known = find_leak(train, SMALL)  # both must be lists to be compared
    assert known.source == "facts"


def test_lists_of_kinetics_are_compared_by_youtube_id() -> None:
    train = listing("kinetics100_alibaba", ("-VtLx-mcPds", "air_drumming"))
    test = listing("kinetics100_cmn_ta2n-9984", ("-VtLx-mcPds", "unboxing"))
    leak = find_leak(train, test)
    assert (leak.videos, leak.classes) == (1, 0)


def test_equal_ids_of_different_data_sets_are_different_videos() -> None:
    assert find_leak(listing(SMALL, ("1", "train24")), listing("mine", ("1", "train24"))) is None
    assert find_leak(listing("yours", ("1", "wave")), listing("mine", ("1", "wave"))) is None


def test_custom_lists_are_compared_by_file(tmp_path: Path) -> None:
    def list_of(name: str, *paths: str) -> VideoList:
        return VideoList(
            name, tuple(Video(path, path[0], source=Clip(tmp_path / path)) for path in paths)
        )

    leak = find_leak(list_of("a", "x.mp4", "y.mp4"), list_of("b", "sub/../y.mp4", "z.mp4"))
    assert (leak.videos, leak.classes) == (1, 0)
    leak = find_leak(list_of("a", "x.mp4"), list_of("a", "x2.mp4"))
    assert (leak.videos, leak.classes) == (0, 1)
    parts = [
        VideoList(
            "a", (Video(f"{label}.mp4", label, source=Clip(tmp_path / "x.mp4", None, start)),)
        )
        for start, label in ((0.0, "x"), (5.0, "y"))
    ]
    assert find_leak(*parts) is None


def test_absolute_paths_are_the_same_files_in_other_lists(tmp_path: Path) -> None:
    id = str(tmp_path / "x.mp4")
    test = VideoList("b", (Video(id, "wave", source=Clip(Path(id))),))
    leak = find_leak(listing("a", (id, "wave")), test)
    assert (leak.videos, leak.classes) == (1, 0)


@pytest.mark.slow
@pytest.mark.assets
def test_facts_match_the_real_lists(assets: Path) -> None:
    folder = assets.parent / "splits"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    for family in ("ssv2", "kinetics"):
        names = [name for name in benchmark_names() if name.startswith(family)]
        lists = {name: load_benchmark(name, None, splits=folder) for name in names}
        for ours in names:
            train = lists[ours].of("train")
            for theirs in names:
                found = find_leak(train, lists[theirs].of("test"))
                facts = find_leak(ours, theirs)
                assert found == (facts and replace(facts, source="lists"))
