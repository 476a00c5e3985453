"""Training data that gives the test away: videos or classes that two lists share."""

from dataclasses import dataclass
from typing import Literal

from fewact.data.benchmarks import Benchmark, benchmark, fold, read_facts, variants
from fewact.data.videos import Video, VideoList
from fewact.errors import DataError


@dataclass(frozen=True)
class Leak:
    """What was learnt from is in the test.

    Args:
        train: The list to learn from.
        test: The list to test on.
        videos: Test videos that are in both.
        classes: Test classes that are in both.
        by: Told from the lists at hand, or from the facts that the package holds.
    """

    train: str
    test: str
    videos: int
    classes: int
    by: Literal["lists", "facts"]

    def __str__(self) -> str:
        return (
            f"{self.train} shares {self.videos} videos and {self.classes} classes "
            f"with the test of {self.test}"
        )


def leaks(train: VideoList | str, test: VideoList | str) -> list[Leak]:
    """What a list to learn from shares with a list to test on.

    Two lists of one data set are compared video by video, those of a benchmark by the published
    ids, others by their files. Where only a name is given, its train or test split is meant, and
    the facts that the package holds decide.

    Args:
        train: The list as a whole is what is learnt from: pass ``videos.of("train")``.
        test: The list as a whole is what is tested on: pass ``videos.of("test")``.

    Returns:
        None, or one leak.

    Raises:
        UnknownNameError: A name stands for no benchmark, or for several.
    """
    if isinstance(train, str) or isinstance(test, str):
        return _by_facts(_name(train), _name(test))
    known = _bench(train), _bench(test)
    ours, theirs = (_videos(*pair) for pair in zip((train, test), known, strict=True))
    classes, tested = (_classes(*pair) for pair in zip((train, test), known, strict=True))
    videos, shared = len(ours & theirs), len(classes & tested)
    return [Leak(train.name, test.name, videos, shared, "lists")] if videos or shared else []


def refuse_leaks(
    train: VideoList | str, test: VideoList | str, *, allow_leak: bool = False
) -> tuple[str, ...]:
    """Refuse to test on what was learnt from.

    Args:
        train: As in ``leaks``.
        test: As in ``leaks``.
        allow_leak: Go on.

    Returns:
        What every result must then say, for ``VideoList.with_flags``.

    Raises:
        DataError: There is a leak, and it is not allowed.
        UnknownNameError: A name stands for no benchmark, or for several.
    """
    found = leaks(train, test)
    if found and not allow_leak:
        raise DataError(
            "what was trained on is in the test",
            got="; ".join(map(str, found)),
            hint="Train on another list. --allow-leak (allow_leak=True) goes on, and every result "
            "says so.",
        )
    return tuple(f"leak: {leak}" for leak in found)


def _name(one: VideoList | str) -> str:
    if isinstance(one, str):
        return benchmark(one).id
    bench = _bench(one)
    return bench.id if bench else one.name


def _bench(videos: VideoList) -> Benchmark | None:
    return benchmark(videos.name) if variants(videos.name) == (videos.name,) else None


def _by_facts(train: str, test: str) -> list[Leak]:
    return [
        Leak(train, test, videos, classes, "facts")
        for ours, theirs, videos, classes in read_facts("shared.toml")["shared"]
        if (ours, theirs) == (train, test)
    ]


def _videos(videos: VideoList, bench: Benchmark | None) -> set[tuple[object, ...]]:
    """What tells a video from all others."""
    if bench is not None:
        return {(bench.family, bench.key(video.id)) for video in videos.videos}
    return {_file(video) or (videos.name, video.id) for video in videos.videos}


def _file(video: Video) -> tuple[object, ...] | None:
    clip = video.clip
    return None if clip is None else (clip.path.resolve(), clip.start, clip.end)


def _classes(videos: VideoList, bench: Benchmark | None) -> set[tuple[str, str]]:
    """What tells a class from all others; a user's classes are their list's own."""
    if bench is None:
        return {(videos.name, label) for label in videos.classes}
    names = {c.key: c.name for split in bench.classes.values() for c in split}
    return {(bench.family, fold(names.get(label, label))) for label in videos.classes}
