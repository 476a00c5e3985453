"""Data leaks: test videos or test classes that are also in the training data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fewact.core.errors import DataError
from fewact.data.videos import Video, VideoList
from fewact.lab.benchmarks.benchmarks import (
    Benchmark,
    benchmark,
    normalise,
    published_list,
    read_facts,
)


@dataclass(frozen=True)
class Leak:
    """Overlap between the training data and the test data.

    Args:
        train: Name of the training list.
        test: Name of the test list.
        videos: Number of test videos that are in both.
        classes: Number of test classes that are in both.
        source: ``lists`` if the lists themselves were compared, ``facts`` if the numbers are known
            from fewact's facts about published lists.
    """

    train: str
    test: str
    videos: int
    classes: int
    source: Literal["lists", "facts"]

    def __str__(self) -> str:
        return (
            f"{self.train} shares {self.videos} videos and {self.classes} classes "
            f"with the test of {self.test}"
        )


def find_leak(train: VideoList | str, test: VideoList | str) -> Leak | None:
    """Return the overlap between a training list and a test list; None for no overlap.

    Two lists are compared video by video: lists of benchmarks by the published ids, other lists by
    their files. A name means the train or test split of a benchmark; the overlap is then taken from
    fewact's facts about published lists.
    """
    if isinstance(train, str) or isinstance(test, str):
        return _known_leak(_name(train), _name(test))
    benchmarks = published_list(train.name), published_list(test.name)
    ours = {key for keys in _videos(train, benchmarks[0]).values() for key in keys}
    theirs = _videos(test, benchmarks[1])
    classes, tested = (_classes(*pair) for pair in zip((train, test), benchmarks, strict=True))
    videos = sum(any(key in ours for key in keys) for keys in theirs.values())
    shared = len(classes & tested)
    return Leak(train.name, test.name, videos, shared, "lists") if videos or shared else None


def refuse_leaks(
    train: VideoList | str, test: VideoList | str, *, allow_leak: bool = False
) -> tuple[str, ...]:
    """Refuse test videos or classes that are also in the training data, see ``find_leak``.

    With ``allow_leak``, flags are returned instead, which every result must show.

    Raises:
        DataError: There is a leak, and ``allow_leak`` is False.
    """
    leak = find_leak(train, test)
    if leak and not allow_leak:
        raise DataError(
            "the training data contains test data",
            got=str(leak),
            hint="Train on another list. With --allow-leak (allow_leak=True) the test runs anyway, "
            "and every result shows the leak.",
        )
    return (f"leak: {leak}",) if leak else ()


def _name(videos: VideoList | str) -> str:
    return benchmark(videos).id if isinstance(videos, str) else videos.name


def _known_leak(train: str, test: str) -> Leak | None:
    for ours, theirs, videos, classes in read_facts("shared.toml")["shared"]:
        if (ours, theirs) == (train, test):
            return Leak(train, test, videos, classes, "facts")
    return None


Keys = set[tuple[object, ...]]


def _videos(videos: VideoList, bench: Benchmark | None) -> dict[str, Keys]:
    """Return by id the keys that identify each video; an absolute path identifies its file."""
    if bench is not None:
        return {v.id: {(bench.family, bench.match_key(v.id))} for v in videos.videos}
    keys_of: dict[str, Keys] = {}
    for video in videos.videos:
        keys = {_file(video) or (videos.name, video.id)}
        keys_of[video.id] = keys | ({("file", video.id)} if Path(video.id).is_absolute() else set())
    return keys_of


def _file(video: Video) -> tuple[object, ...] | None:
    clip = video.clip
    return None if clip is None else (clip.path.resolve(), clip.start, clip.end)


def _classes(videos: VideoList, bench: Benchmark | None) -> set[tuple[str, str]]:
    """Return keys that identify the classes; custom classes belong to their list only."""
    if bench is None:
        return {(videos.name, label) for label in videos.classes}
    names = {c.key: c.name for split in bench.classes.values() for c in split}
    return {(bench.family, normalise(names.get(label, label))) for label in videos.classes}
