"""A benchmark's videos below a folder of the user's."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from fewact.data.availability import Availability, ClassCount, Progress, unreadable
from fewact.data.benchmarks import SPLITS, Benchmark, benchmark
from fewact.data.by_classes import list_by_classes
from fewact.data.clips import Clip
from fewact.data.files import some
from fewact.data.lists import FOLDER_VARIABLE, find_list
from fewact.data.tree import Tree
from fewact.data.videos import Split, Video, VideoList
from fewact.errors import DataError

Counts = Counter[tuple[Split, str]]


def load(
    name: str,
    root: str | Path | None,
    *,
    splits: str | Path | None = None,
    split: Split | None = None,
    allow_missing: bool = False,
    availability: str | Path | None = None,
) -> VideoList:
    """A benchmark's videos, each with where it lies.

    Args:
        name: Of a benchmark, as in ``benchmark``.
        root: The folder that its videos are in, in whatever layout; None for the list without
            clips.
        splits: A list, or a folder with lists, as in ``find_list``; None for what
            ``FEWACT_SPLITS`` names. UCF-101 and HMDB-51 need none: their classes decide.
        split: Only this one, so that nothing of the others need be there; None for all.
        allow_missing: Leave out what is missing, and say so in a flag. Otherwise it is an error.
        availability: A file that ``check`` wrote: what it found unreadable is left out, too.

    Returns:
        The videos that are there, flagged where the list is modified or videos are left out.

    Raises:
        UnknownNameError: No benchmark of this name.
        DataError: There is no list or no such folder, videos are missing, or the folder is not as
            the availability file has it.
    """
    bench = benchmark(name)
    if root is None:
        listed = find_list(bench, splits) or _no_list(bench)
        return listed if split is None else listed.of(split)
    videos, wanted = _look(bench, root, splits)
    checked = None if availability is None else Availability.read(availability)
    broken = checked.unreadable if checked else {}
    found = _count(bench, videos, wanted, broken)
    if checked and checked.digest != found.digest:
        raise DataError(
            f"was written of another list, or of another state of {root}",
            where=str(availability),
            hint=f"Write it anew with `fewact data check {bench.id}`.",
        )
    gap = found.gap(split)
    if gap and not allow_missing:
        short = [c for c in found.classes if c.there < c.listed and split in (None, c.split)]
        raise DataError(
            f"videos of {bench.id} are missing: {gap}",
            where=str(root),
            got=some(f"{c.there} of {c.listed} of {c.label}" for c in short),
            hint=f"`fewact data check {bench.id}` lists them; --allow-missing (allow_missing=True) "
            "goes on without them, and every result says so.",
        )
    there = replace(videos, videos=_there(videos, broken), availability=found.digest)
    if not there.videos:
        raise DataError(f"holds no video of {bench.id}", where=str(root))
    if gap:
        there = there.with_flags([f"videos missing: {gap} (availability {found.digest[:12]})"])
    return there if split is None else there.of(split)


def check(
    name: str,
    root: str | Path,
    *,
    splits: str | Path | None = None,
    deep: bool = False,
    progress: Progress | None = None,
) -> Availability:
    """What is there of a benchmark, what is missing, and what cannot be read.

    Args:
        name: Of a benchmark.
        root: The folder that its videos are in.
        splits: As in ``load``.
        deep: Decode all frames of each video.
        progress: Called with the videos decoded and how many there are, after each.

    Raises:
        UnknownNameError: No benchmark of this name.
        DataError: There is no list, or no such folder.

    Warns:
        VideoWarning: A video is cut short or damaged, yet can be read.
    """
    bench = benchmark(name)
    videos, wanted = _look(bench, root, splits)
    broken = unreadable(videos.videos, progress) if deep else {}
    return _count(bench, videos, wanted, broken, deep=deep)


def _no_list(bench: Benchmark) -> NoReturn:
    raise DataError(
        f"the list of {bench.id} is not at hand",
        expected=f"a folder that holds it: --splits (splits=), or {FOLDER_VARIABLE}",
        hint=f"It is published at {bench.published}.",
    )


def _look(
    bench: Benchmark, root: str | Path, splits: str | Path | None
) -> tuple[VideoList, Counts]:
    """The videos of the list, without a clip where they are missing, and how many there must be."""
    tree = Tree(root, bench)
    listed = find_list(bench, splits)
    by_classes = bench.classes_decide and listed is None
    videos = list_by_classes(bench, tree) if by_classes else listed or _no_list(bench)
    wanted: Counts = Counter((v.split, v.label) for v in videos.videos if v.split)
    if by_classes:
        wanted |= Counter({(of, c.key): c.videos for of in SPLITS for c in bench.classes[of]})
    placed = [_placed(v, tree.find(v)) for v in videos.videos]
    return replace(videos, videos=tuple(placed)), wanted


def _placed(video: Video, path: Path | None) -> Video:
    return replace(video, source=Clip(path, video.label, group=video.group)) if path else video


def _there(videos: VideoList, broken: dict[str, str]) -> tuple[Video, ...]:
    return tuple(v for v in videos.videos if v.clip is not None and v.id not in broken)


def _count(
    bench: Benchmark,
    videos: VideoList,
    wanted: Counts,
    broken: dict[str, str],
    *,
    deep: bool = False,
) -> Availability:
    """Count what is there of each class that there must be something of."""
    there = _there(videos, broken)
    good = Counter((v.split, v.label) for v in there)
    bad = Counter((v.split, v.label) for v in videos.videos if v.id in broken)
    order = {(of, c.key): None for of in SPLITS for c in bench.classes[of]} | dict.fromkeys(wanted)
    rows = [
        ClassCount(
            split=key[0],
            label=key[1],
            listed=wanted[key],
            there=good[key],
            unreadable=bad[key],
        )
        for key in order
        if wanted[key]
    ]
    return Availability(
        benchmark=bench.id,
        videos=replace(videos, videos=there).digest,
        deep=deep,
        flags=videos.flags,
        classes=tuple(rows),
        missing=tuple(v.id for v in videos.videos if v.clip is None),
        unreadable={v.id: broken[v.id] for v in videos.videos if v.id in broken},
    )
