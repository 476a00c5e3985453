"""The published list of a benchmark's videos, in whichever form it is at hand."""

import csv
import gzip
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from fewact.data.benchmarks import SPLITS, Benchmark
from fewact.data.files import VIDEO_SUFFIXES, some
from fewact.data.videos import Split, Video, VideoList
from fewact.errors import DataError

FOLDER_VARIABLE = "FEWACT_SPLITS"
COLUMNS = ("split", "class", "video")
TEXT_LIST = re.compile(r"(train|val|test)(?:list\d*|_few_shot)?\.(?:txt|list)(?:\.old)?")
GROUP = re.compile(r".*_(g\d+)_c\d+", re.IGNORECASE | re.DOTALL)

Rows = list[tuple[str, str]]
"""Class and path of each video of a split, as they stand in the file."""


def find_list(bench: Benchmark, splits: str | Path | None = None) -> VideoList | None:
    """Read a benchmark's list.

    Read are tables with the columns split, class, video (``NAME.csv``, ``NAME.csv.gz``), and the
    published text files: ``trainlist03.txt``, ``train_few_shot.txt``, ``train.list`` and so on, a
    line ``class/video`` for each video. Classes may be named or numbered. Whatever it is read from,
    the videos come in the same order: by split, class and name.

    Args:
        bench: The benchmark.
        splits: A table, or a folder that holds lists, be it in a folder that is called as where
            they are published; None for what ``FEWACT_SPLITS`` names.

    Returns:
        The list without clips, flagged where it is not the canonical one; None where
        ``splits`` is None and ``FEWACT_SPLITS`` names no folder that has the list.

    Raises:
        DataError: ``splits`` has no list of the benchmark, or one that cannot be used.
    """
    given = splits or os.environ.get(FOLDER_VARIABLE)
    if not given:
        return None
    place = Path(given).expanduser()
    for read in (_from_table, _from_texts):
        for folder in [place] if place.is_file() else _folders(place, bench):
            rows = read(folder, bench)
            if rows:
                listed = make_list(bench, (video for split in rows.values() for video in split))
                odd = modified(split for split in rows if not canonical(bench, rows[split]))
                return listed.with_flags(odd)
    if splits is None:
        return None
    raise DataError(
        f"holds no list of {bench.id}",
        where=str(place),
        got="no such file or folder" if not place.exists() else "",
        expected=f"{bench.id}.csv, {bench.id}.csv.gz, or trainlist03.txt, vallist03.txt, "
        "testlist03.txt and the like",
        hint=f"The list is published at {bench.published}.",
    )


def make_list(bench: Benchmark, videos: Iterable[Video]) -> VideoList:
    """Order the videos of a list by split, class and name.

    Raises:
        DataError: A video stands twice in the list.
    """
    ordered = sorted(videos, key=lambda v: (SPLITS.index(v.split or "test"), v.label, v.id))
    keys = Counter(bench.key(video.id) for video in ordered)
    twice = {video.id for video in ordered if keys[bench.key(video.id)] > 1}
    if twice:
        raise DataError(
            "the same video stands twice in the list", where=bench.id, got=some(sorted(twice))
        )
    return VideoList(bench.id, tuple(ordered), bench.groups)


def modified(splits: Iterable[Split]) -> tuple[str, ...]:
    """The flag of a list of which these splits are not the canonical ones."""
    named = ", ".join(splits)
    return (f"modified list ({named})",) if named else ()


def canonical(bench: Benchmark, videos: Iterable[Video]) -> bool:
    """Whether these are the videos that the benchmark's list has of their split."""
    videos = list(videos)
    split = videos[0].split if videos else None
    return split is not None and digest(bench, videos) == bench.sha256[split]


def digest(bench: Benchmark, videos: Iterable[Video]) -> str:
    """SHA-256 over the sorted lines ``split/class/key`` of the videos, in UTF-8."""
    lines = sorted(f"{v.split}/{v.label}/{bench.key(v.id)}\n" for v in videos)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def make_video(bench: Benchmark, split: Split, label: str, path: str) -> Video:
    """A video of a list by its published path, whose folders and extension do not count."""
    id = bench.id_of(stem(path.rpartition("/")[2]))
    match = GROUP.fullmatch(id) if bench.groups == "within-class" else None
    return Video(id, label, split, match[1].lower() if match else None)


def stem(name: str) -> str:
    """A file's name without a video's extension; other dots stay.

    >>> stem("a.b.AVI"), stem("a.b")
    ('a.b', 'a.b')
    """
    before, dot, after = name.rpartition(".")
    return before if before and dot + after.lower() in VIDEO_SUFFIXES else name


def _folders(place: Path, bench: Benchmark) -> list[Path]:
    """Where below a folder the list may lie: in a folder named for it rather than loose."""
    return [place / name for name in (bench.id, *bench.folders, ".")]


def _from_table(place: Path, bench: Benchmark) -> dict[Split, list[Video]]:
    files = [place] if place.is_file() else [place / f"{bench.id}.csv{z}" for z in (".gz", "")]
    table = next((file for file in files if file.is_file()), None)
    if table is None:
        return {}
    reader = csv.DictReader(io.StringIO(_text(table), newline=""))
    absent = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if absent:
        raise DataError(
            f'there is no column "{absent[0]}"', where=str(table), expected=", ".join(COLUMNS)
        )
    rows: dict[str, Rows] = {}
    for row in reader:
        if not all(row[column] for column in COLUMNS) or row["split"] not in SPLITS:
            raise DataError(
                "a row without its split, class or video",
                where=f"{table}, line {reader.line_num}",
                got=", ".join(str(row[column]) for column in COLUMNS),
                expected=f"a split of {', '.join(SPLITS)}, a class and a video",
            )
        rows.setdefault(row["split"], []).append((row["class"], row["video"]))
    return {split: _videos(table, bench, split, rows[split]) for split in SPLITS if split in rows}


def _from_texts(folder: Path, bench: Benchmark) -> dict[Split, list[Video]]:
    found: dict[Split, list[Path]] = {}
    if folder.is_dir():
        for file in sorted(folder.iterdir()):
            match = TEXT_LIST.fullmatch(file.name.lower())
            if match:
                split = next(split for split in SPLITS if split == match[1])
                found.setdefault(split, []).append(file)
    return {split: _from_text(found[split], bench, split) for split in SPLITS if split in found}


def _from_text(files: list[Path], bench: Benchmark, split: Split) -> list[Video]:
    """The videos of one split: of several files the one that holds the canonical list."""
    read: list[list[Video]] = []
    for file in files:
        lines = [line.strip() for line in _text(file).splitlines()]
        pairs = [line.partition("/") for line in lines if line]
        for number, (_, slash, path) in enumerate(pairs, 1):
            if not slash or not path.strip("/"):
                raise DataError(
                    "not a line of a list",
                    where=f"{file}, entry {number}",
                    got=pairs[number - 1][0],
                    expected="class/video",
                )
        read.append(_videos(file, bench, split, [(label, path) for label, _, path in pairs]))
    known = [videos for videos in read if canonical(bench, videos)]
    if not known and len(read) > 1:
        raise DataError(
            f"several files may be the {split} list of {bench.id}, and none is the canonical one",
            where=str(files[0].parent),
            got=some(file.name for file in files),
            hint="Keep the one that is meant in a folder of its own.",
        )
    return (known or read)[0]


def _videos(file: Path, bench: Benchmark, split: Split, rows: Rows) -> list[Video]:
    """The videos of one split, their classes under the benchmark's names.

    Lists name classes, or number them in each split or over all splits: what reads all classes is
    what the list means, and where several do, what gives the canonical list.
    """
    candidates = []
    unknown: list[str] = []
    for name in (bench.class_of, _by_number(bench, split)):
        labels = {written: name(written) for written in dict.fromkeys(row[0] for row in rows)}
        unknown = unknown or [written for written, label in labels.items() if not label]
        known = {written: label for written, label in labels.items() if label}
        if rows and len(known) == len(labels):
            made = [make_video(bench, split, known[written], path) for written, path in rows]
            if canonical(bench, made):
                return made
            candidates.append(made)
    if candidates:
        return candidates[0]
    raise DataError(
        f"classes that {bench.id} does not have" if unknown else "the list is empty",
        where=str(file),
        got=some(unknown),
        expected=f"{some(bench.counts[split], 3)}; or {split}0, {split}1, …",
    )


def _by_number(bench: Benchmark, split: Split) -> Callable[[str], str | None]:
    known = {f"{split}{i}": c.key for i, c in enumerate(bench.classes[split])}
    return known.get


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        return content.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeError) as error:
        raise DataError(f"the list cannot be read: {error}", where=str(file)) from error
