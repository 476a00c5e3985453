"""Published lists of a benchmark's videos, as tables or text files."""

import gzip
import hashlib
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field, RootModel

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.cells import seconds
from fewact.data.columns import Schema, rows_of
from fewact.data.files import first_few, stem_and_suffix
from fewact.data.videos import SPLITS, Split, Video, VideoList
from fewact.lab.benchmarks.benchmarks import BENCHMARK_NAMES, Benchmark, benchmark

FOLDER_VARIABLE = "FEWACT_SPLITS"
LIST_TABLE_COLUMNS = ("split", "class", "video")
LIST = FileType("list", DataError, 256 * MIB)
LIST_NAME = re.compile(
    r"(?:meta_)?(train|val|test)(?:list\d*|_few_shot|_split)?\.(?:txt|list)(?:\.old)?"
    r"|(base|val|novel)\.json"
)
SPLIT_OF: dict[str, Split] = {"base": "train", "novel": "test"}
NUMBERED_LINE = re.compile(r"(.+?)(?:\s+\d+)?\s+(\d+)")
"""Path, perhaps number of frames, and number of the class in a line."""
GROUP_IN_NAME = re.compile(r".*_(g\d+)_c\d+", re.IGNORECASE | re.DOTALL)

Rows = list[tuple[str, str]]
"""Class and path of each video of a split, as written in the file."""


def find_list(bench: Benchmark, splits: str | Path | None = None) -> VideoList | None:
    """Read the list of a benchmark.

    Read are tables with the columns split, class, video (``NAME.csv``, ``NAME.csv.gz``), and the
    published files: text (``trainlist03.txt``, ``train_few_shot.txt``, ``train.list``, …) with one
    line for each video, ``class/video`` or ``video [frames] class``, and ``base.json``,
    ``val.json``, ``novel.json`` with names and labels. Classes are names or numbers.

    Args:
        bench: Benchmark.
        splits: Table, or folder that contains lists, directly or in a folder with the list's
            published name; None for the path in ``FEWACT_SPLITS``.

    Returns:
        List without clips, with a flag if it is not the canonical list; None if ``splits`` is None
        and the path in ``FEWACT_SPLITS`` contains no list.
    """
    path = _location(splits)
    if path is None:
        return None
    for read in (_read_table, _read_texts):
        for folder in [path] if path.is_file() else _folders(path, bench):
            listed_videos = read(folder, bench)
            if listed_videos:
                listed = build_list(bench, chain.from_iterable(listed_videos.values()))
                changed = [
                    s for s, videos in listed_videos.items() if not is_canonical(bench, videos)
                ]
                _refuse_list_of_another(bench, folder, changed)
                return listed.with_flags(modified_flags(changed))
    if splits is None:
        return None
    raise DataError(
        f"holds no list of {bench.id}",
        where=str(path),
        got="no such file or folder" if not path.exists() else "",
        expected=f"{bench.id}.csv, {bench.id}.csv.gz, or the published files, such as "
        "trainlist03.txt, test_few_shot.txt, novel.json",
        hint=f"The list is published at {bench.published}.",
    )


def _location(splits: str | Path | None) -> Path | None:
    location = splits or os.environ.get(FOLDER_VARIABLE)
    return user_path(location, DataError) if location else None


class RecordingSegment(NamedTuple):
    """Segment of a recording: the recording's id, start and end in seconds."""

    recording: str
    start: float
    end: float


TIMES = {
    "epic": ("EPIC_100_train.csv", "EPIC_100_validation.csv"),
    "finegym": ("finegym_annotation_info_v1.1.json",),
}
"""Files in which the authors publish the times of segments, by family."""


def find_segments(
    bench: Benchmark, root: Path, splits: str | Path | None = None
) -> dict[str, RecordingSegment]:
    """Return the segments of recordings by their ids; empty without the authors' files of times.

    The files are searched in the folder of the videos, and in or beside ``splits``.
    """
    path = _location(splits)
    folders = [root, *(_folders(path if path.is_dir() else path.parent, bench) if path else ())]
    segments: dict[str, RecordingSegment] = {}
    for name in TIMES.get(bench.family, ()):
        file = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if file is not None:
            read = _finegym_segments if file.suffix == ".json" else _epic_segments
            segments |= read(file)
    return segments


def _epic_segments(file: Path) -> dict[str, RecordingSegment]:
    segments = {}
    columns = ("narration_id", "video_id", "start_timestamp", "stop_timestamp")
    for line, row in _rows_of(file, columns):
        id, recording, *times = row.values()
        start, end = map(seconds, times)
        if start is None or end is None or end <= start:
            where = f"{file}, line {line}"
            raise DataError("not the times of a segment", where=where, got=" to ".join(times))
        segments[id] = RecordingSegment(recording, start, end)
    return segments


class _Action(BaseModel):
    timestamps: Annotated[list[tuple[float, float]], Field(min_length=1)]


class _Event(_Action):
    segments: dict[str, _Action] | None = None


class _Recordings(RootModel[dict[str, dict[str, _Event]]]):
    pass


def _finegym_segments(file: Path) -> dict[str, RecordingSegment]:
    """Return the segments of a file; the times of an action are relative to its event."""
    return {
        f"{recording}_{event}_{action}": RecordingSegment(
            recording,
            times.timestamps[0][0] + inside.timestamps[0][0],
            times.timestamps[0][0] + inside.timestamps[-1][1],
        )
        for recording, events in LIST.model(file, _Recordings).root.items()
        for event, times in events.items()
        for action, inside in (times.segments or {}).items()
    }


def build_list(bench: Benchmark, videos: Iterable[Video]) -> VideoList:
    """Order the videos of a list by split, class and name; refuse a video that is listed twice."""
    ordered = sorted(videos, key=lambda v: (SPLITS.index(v.split or "test"), v.label, v.id))
    keys = Counter(bench.match_key(video.id) for video in ordered)
    twice = {video.id for video in ordered if keys[bench.match_key(video.id)] > 1}
    if twice:
        raise DataError(
            "the list contains the same video twice", where=bench.id, got=first_few(sorted(twice))
        )
    return VideoList(bench.id, tuple(ordered), bench.groups)


def modified_flags(splits: Iterable[Split]) -> tuple[str, ...]:
    """Return the flag of a list with these modified splits; empty if there are none."""
    names = ", ".join(splits)
    return (f"modified list ({names})",) if names else ()


def is_canonical(bench: Benchmark, videos: Iterable[Video]) -> bool:
    """Return whether the videos of a split are the benchmark's published list."""
    videos = list(videos)
    split = videos[0].split if videos else None
    return split is not None and digest(bench, videos) == bench.sha256.get(split)


def digest(bench: Benchmark, videos: Iterable[Video]) -> str:
    """Return the SHA-256 of the sorted lines ``split/class/key`` of the videos, in UTF-8."""
    lines = sorted(f"{v.split}/{v.label}/{bench.match_key(v.id)}\n" for v in videos)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def build_video(bench: Benchmark, split: Split, label: str, path: str) -> Video:
    """Return a video of a list by its published path; folders and extension are ignored."""
    id = bench.video_id(stem_and_suffix(path.rpartition("/")[2])[0])
    match = GROUP_IN_NAME.fullmatch(id) if bench.groups == "within-class" else None
    return Video(id, label, split, match[1].lower() if match else None)


def _refuse_list_of_another(bench: Benchmark, path: Path, changed: Sequence[Split]) -> None:
    """Refuse the published list of another variant: its numbers can mean other classes."""
    family = [
        variant for variant in map(benchmark, BENCHMARK_NAMES) if variant.family == bench.family
    ]
    read = [(variant, _read_as(variant, path, bench)) for variant in family] if changed else []
    for split in changed:
        for variant, splits in read:
            if is_canonical(variant, splits.get(split, ())):
                raise DataError(
                    f"the {split} list is that of {variant.id}",
                    where=str(path),
                    expected=f"the list of {bench.id}",
                    hint=f"Name the benchmark {variant.id}, or the list that is published at "
                    f"{bench.published}.",
                )


def _read_as(variant: Benchmark, path: Path, bench: Benchmark) -> dict[Split, list[Video]]:
    """Return the list of ``bench`` for ``variant``; empty if there is none."""
    table = _table_of(path, bench)
    try:
        return _read_table(table, variant) if table else _read_texts(path, variant)
    except DataError:  # The list has classes that the other one does not have.
        return {}


def _folders(path: Path, bench: Benchmark) -> list[Path]:
    """Return the folders that can contain the list; those with the list's name come first."""
    return [path / name for name in (bench.id, *bench.folders, ".")]


def _table_of(path: Path, bench: Benchmark) -> Path | None:
    """Return the table of a benchmark, which is the file itself or in the folder."""
    files = [path] if path.is_file() else [path / f"{bench.id}.csv{z}" for z in (".gz", "")]
    return next((file for file in files if file.is_file()), None)


def _read_table(path: Path, bench: Benchmark) -> dict[Split, list[Video]]:
    table = _table_of(path, bench)
    if table is None:
        return {}
    rows: dict[str, Rows] = {}
    for line, row in _rows_of(table, LIST_TABLE_COLUMNS):
        if not all(row.values()) or row["split"] not in SPLITS:
            raise DataError(
                "a row without its split, class or video",
                where=f"{table}, line {line}",
                got=", ".join(row.values()),
                expected=f"a split of {', '.join(SPLITS)}, a class and a video",
            )
        rows.setdefault(row["split"], []).append((row["class"], row["video"]))
    return {split: _videos(table, bench, split, rows[split]) for split in SPLITS if split in rows}


def _rows_of(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    return rows_of(table, _text(table), Schema.of_names(columns))


def _read_texts(folder: Path, bench: Benchmark) -> dict[Split, list[Video]]:
    files_of: dict[Split, list[Path]] = {split: [] for split in SPLITS}
    if folder.is_dir():
        for file in sorted(folder.iterdir()):
            match = LIST_NAME.fullmatch(file.name.lower())
            if match:
                name = match[1] or match[2]
                files_of[next(s for s in SPLITS if s == SPLIT_OF.get(name, name))].append(file)
    return {s: _read_text_files(files, bench, s) for s, files in files_of.items() if files}


def _read_text_files(files: list[Path], bench: Benchmark, split: Split) -> list[Video]:
    """Return the videos of one split; of several files the canonical list."""
    read = [_videos(file, bench, split, _text_rows(file)) for file in files]
    published = [videos for videos in read if is_canonical(bench, videos)]
    if not published and len(read) > 1:
        raise DataError(
            f"several files can be the {split} list of {bench.id}, and none is the canonical list",
            where=str(files[0].parent),
            got=first_few(file.name for file in files),
            hint="Put the right file into a separate folder.",
        )
    return (published or read)[0]


class _Names(BaseModel):
    image_names: list[str]
    image_labels: list[int]


def _text_rows(file: Path) -> Rows:
    if file.suffix.lower() == ".json":
        content = LIST.model(file, _Names)
        if len(content.image_names) != len(content.image_labels):
            got = f"{len(content.image_names)} names, {len(content.image_labels)} labels"
            LIST.refuse(file, "not one label for each name", got)
        return [(str(c), v) for c, v in zip(content.image_labels, content.image_names, strict=True)]
    lines = [line.strip() for line in _text(file).splitlines()]
    rows: Rows = []
    for number, line in enumerate(filter(None, lines), 1):
        label, _, path = line.partition("/")
        if match := NUMBERED_LINE.fullmatch(line):
            path, label = match.groups()
        if not path.strip("/"):
            raise DataError(
                "invalid line",
                where=f"{file}, entry {number}",
                got=line,
                expected="class/video",
            )
        rows.append((label, path))
    return rows


def _videos(file: Path, bench: Benchmark, split: Split, rows: Rows) -> list[Video]:
    """Return the videos of one split with the benchmark's class keys.

    Lists contain names of classes, or their numbers within the split or over all splits. The
    reading that knows all classes is right; if both do, the reading that gives the canonical list.
    """
    candidates = []
    unknown: list[str] = []
    for find in (bench.find_class, _by_number(bench, split)):
        labels = {written: find(written) for written in dict.fromkeys(row[0] for row in rows)}
        unknown = unknown or [written for written, label in labels.items() if not label]
        label_of = {written: label for written, label in labels.items() if label}
        if rows and len(label_of) == len(labels):
            videos = [build_video(bench, split, label_of[written], path) for written, path in rows]
            if is_canonical(bench, videos):
                return videos
            candidates.append(videos)
    if candidates:
        return candidates[0]
    raise DataError(
        f"{bench.id} does not have these classes" if unknown else "the list is empty",
        where=str(file),
        got=first_few(unknown),
        expected=f"{first_few(bench.counts[split], 3)}; or {split}0, {split}1, …",
    )


def _by_number(bench: Benchmark, split: Split) -> Callable[[str], str | None]:
    class_of = {f"{split}{i}": c.key for i, c in enumerate(bench.classes[split])}
    return class_of.get


def _text(file: Path) -> str:
    if file.suffix != ".gz":
        return LIST.text(file)
    try:
        with LIST.open(file) as packed, gzip.open(packed) as unpacked:
            return LIST.decode(LIST.limited(unpacked.read, str(file)), str(file))
    except (EOFError, zlib.error) as error:
        LIST.refuse(file, "the list cannot be read", str(error))
