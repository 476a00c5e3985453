"""Videos of a benchmark in a folder: loading them, and checking which are available."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from fewact.core.errors import DataError
from fewact.data.availability import Availability, ClassCount, Progress, find_unreadable
from fewact.data.benchmark_lists import FOLDER_VARIABLE, find_list
from fewact.data.benchmarks import Benchmark, benchmark
from fewact.data.clips import Clip
from fewact.data.file_names import list_from_file_names
from fewact.data.files import first_few
from fewact.data.video_index import VideoIndex
from fewact.data.videos import SPLITS, Split, Video, VideoList

Counts = Counter[tuple[Split, str]]
"""Number of videos of each split and class."""


def load_benchmark(
    name: str,
    root: str | Path | None,
    *,
    splits: str | Path | None = None,
    split: Split | None = None,
    allow_missing: bool = False,
    availability: str | Path | None = None,
) -> VideoList:
    """Return the videos of a benchmark with their files.

    Args:
        name: Name of the benchmark, see ``benchmark``.
        root: Folder of the videos, in any layout; None returns the list without files.
        splits: List or folder of lists, see ``find_list``; None for the one in ``FEWACT_SPLITS``.
            UCF-101 and HMDB-51 need no list: they consist of all videos of their classes.
        split: Split to return; videos of other splits may be missing. None for all.
        allow_missing: Leave out missing videos and add a flag, instead of raising an error.
        availability: File written by ``fewact data check``; videos that it lists as unreadable are
            left out.

    Returns:
        Available videos, with flags if the list is modified or videos are left out.

    Raises:
        UnknownNameError: The benchmark does not exist.
        DataError: There is no list or no such folder, videos are missing, or the folder differs
            from the availability file.
    """
    bench = benchmark(name)
    if root is None:
        listed = find_list(bench, splits) or _no_list(bench)
        return listed if split is None else listed.of(split)
    videos, expected = _find_files(bench, root, splits)
    checked = None if availability is None else Availability.read(availability)
    broken = checked.unreadable if checked else {}
    found = _count(bench, videos, expected, broken)
    if checked and checked.digest != found.digest:
        raise DataError(
            f"was written for another list, or for another state of {root}",
            where=str(availability),
            hint=f"Write it again with `fewact data check {bench.id}`.",
        )
    gap = found.gap(split)
    if gap and not allow_missing:
        short = [c for c in found.classes if c.available < c.listed and split in (None, c.split)]
        raise DataError(
            f"videos of {bench.id} are missing: {gap}",
            where=str(root),
            got=first_few(f"{c.available} of {c.listed} of {c.label}" for c in short),
            hint=f"`fewact data check {bench.id}` lists them. With --allow-missing "
            "(allow_missing=True) they are left out, and every result shows that.",
        )
    available = replace(videos, videos=_available(videos, broken), availability=found.digest)
    if not available.videos:
        raise DataError(f"holds no video of {bench.id}", where=str(root))
    if gap:
        available = available.with_flags(
            [f"videos missing: {gap} (availability {found.digest[:12]})"]
        )
    return available if split is None else available.of(split)


def check_benchmark(
    name: str,
    root: str | Path,
    *,
    splits: str | Path | None = None,
    deep: bool = False,
    progress: Progress | None = None,
) -> Availability:
    """Return which videos of a benchmark are available, missing or unreadable.

    Args:
        name: Name of the benchmark.
        root: Folder of the videos.
        splits: As for ``load_benchmark``.
        deep: Decode all frames of each video.
        progress: Function called after each video with the number of decoded videos and of all.

    Raises:
        UnknownNameError: The benchmark does not exist.
        DataError: There is no list, or no such folder.

    Warns:
        VideoWarning: A video is truncated or damaged, but can be read.
    """
    bench = benchmark(name)
    videos, expected = _find_files(bench, root, splits)
    broken = find_unreadable(videos.videos, progress) if deep else {}
    return _count(bench, videos, expected, broken, deep=deep)


def _no_list(bench: Benchmark) -> NoReturn:
    raise DataError(
        f"the list of {bench.id} is missing",
        expected=f"a folder that contains it: --splits (splits=), or {FOLDER_VARIABLE}",
        hint=f"It is published at {bench.published}.",
    )


def _find_files(
    bench: Benchmark, root: str | Path, splits: str | Path | None
) -> tuple[VideoList, Counts]:
    """Return the list, without clips of missing videos, and the expected number of videos."""
    files = VideoIndex(root, bench)
    listed = find_list(bench, splits)
    by_name = bench.includes_all_videos and listed is None
    videos = list_from_file_names(bench, files) if by_name else listed or _no_list(bench)
    expected: Counts = Counter((v.split, v.label) for v in videos.videos if v.split)
    if by_name:
        expected |= Counter({(s, c.key): c.videos for s in SPLITS for c in bench.classes[s]})
    found = tuple(_with_file(video, files.find(video)) for video in videos.videos)
    return replace(videos, videos=found), expected


def _with_file(video: Video, path: Path | None) -> Video:
    return replace(video, source=Clip(path, video.label, group=video.group)) if path else video


def _available(videos: VideoList, broken: dict[str, str]) -> tuple[Video, ...]:
    return tuple(v for v in videos.videos if v.clip is not None and v.id not in broken)


def _count(
    bench: Benchmark,
    videos: VideoList,
    expected: Counts,
    broken: dict[str, str],
    *,
    deep: bool = False,
) -> Availability:
    """Count the available and unreadable videos of each class with expected videos."""
    available = _available(videos, broken)
    good = Counter((v.split, v.label) for v in available)
    bad = Counter((v.split, v.label) for v in videos.videos if v.id in broken)
    order = {(s, c.key): None for s in SPLITS for c in bench.classes[s]} | dict.fromkeys(expected)
    rows = [
        ClassCount(
            split=key[0],
            label=key[1],
            listed=expected[key],
            available=good[key],
            unreadable=bad[key],
        )
        for key in order
        if expected[key]
    ]
    return Availability(
        benchmark=bench.id,
        videos=replace(videos, videos=available).digest,
        deep=deep,
        flags=videos.flags,
        classes=tuple(rows),
        missing=tuple(v.id for v in videos.videos if v.clip is None),
        unreadable={v.id: broken[v.id] for v in videos.videos if v.id in broken},
    )
