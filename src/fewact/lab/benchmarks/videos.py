"""Videos of a benchmark in a folder: which are available, and loading them."""

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, VideoError
from fewact.core.machine import usable_cores
from fewact.core.paths import user_path
from fewact.data.clips import Clip
from fewact.data.files import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    first_few,
    natural_key,
    reading,
    stem_and_suffix,
)
from fewact.data.videos import SPLITS, Split, Video, VideoList
from fewact.lab.benchmarks.benchmarks import Benchmark, benchmark, normalise
from fewact.lab.benchmarks.lists import (
    FOLDER_VARIABLE,
    TIMES,
    RecordingSegment,
    build_list,
    build_video,
    find_list,
    find_segments,
    is_canonical,
    modified_flags,
)

Progress = Callable[[int, int], None]

AVAILABILITY = FileType(
    "availability file", DataError, 256 * MIB, "a file that `fewact data check -o FILE` wrote"
)


class ClassCount(BaseModel):
    """Numbers of available and missing videos of a class.

    Args:
        split: Split of the class.
        label: Name of the class.
        listed: Number of videos in the list.
        available: Number of videos that are found and not known to be unreadable.
        unreadable: Number of videos that are found and cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    label: str
    listed: NonNegativeInt
    available: NonNegativeInt
    unreadable: NonNegativeInt = 0

    @property
    def missing(self) -> int:
        """Number of videos that are not found."""
        return self.listed - self.available - self.unreadable


class Availability(BaseModel):
    """Available, missing and unreadable videos of a benchmark.

    Args:
        benchmark: Name of the benchmark.
        videos: Hash of the list of available videos.
        deep: True if each video was decoded.
        flags: Flags of the list, such as "modified list (train)".
        classes: Counts of each class.
        missing: Ids of the videos that are not found, if a list names them.
        unreadable: Reason by the id of each video that cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    benchmark: str
    videos: str
    deep: bool = False
    flags: tuple[str, ...] = ()
    classes: tuple[ClassCount, ...]
    missing: tuple[str, ...] = ()
    unreadable: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of the available, missing and unreadable videos; reasons do not count."""
        facts = self.model_dump(mode="json", exclude={"deep", "flags", "unreadable"})
        facts["unreadable"] = sorted(self.unreadable)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def gap(self, split: Split | None = None) -> str:
        """Return how many videos are not available, such as "train 13 of 6387, test 3 of 2397"."""
        parts = []
        for part in SPLITS if split is None else (split,):
            rows = [c for c in self.classes if c.split == part]
            listed, available = sum(c.listed for c in rows), sum(c.available for c in rows)
            if available < listed:
                parts.append(f"{part} {listed - available} of {listed}")
        return ", ".join(parts)

    def write(self, path: str | Path) -> Path:
        """Write a JSON file; an existing file is replaced atomically."""
        return write_text(user_path(path, DataError), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Availability":
        """Read a file that ``write`` wrote.

        Raises:
            DataError: The file cannot be read, or is not an availability file.
        """
        return AVAILABILITY.model(user_path(path, DataError), cls)


def find_unreadable(videos: Iterable[Video], progress: Progress | None = None) -> dict[str, str]:
    """Return the reason by id of each video that cannot be read; all frames are decoded.

    ``progress`` is called after each video with the number of decoded videos and of all.
    """
    clips = {video.id: video.clip for video in videos if video.clip is not None}
    broken: dict[str, str] = {}
    pool = ThreadPoolExecutor(usable_cores())
    try:
        jobs = {pool.submit(_read_error, clip): id for id, clip in clips.items()}
        for done, job in enumerate(as_completed(jobs), 1):
            if reason := job.result():
                broken[jobs[job]] = reason
            if progress is not None:
                progress(done, len(clips))
    finally:
        pool.shutdown(cancel_futures=True)
    return {id: broken[id] for id in clips if id in broken}


def _read_error(clip: Clip) -> str:
    from fewact.video import EveryNth, read_frames

    try:
        # Every frame is decoded; one pixel of it is kept.
        read_frames(
            clip.path,
            EveryNth(1),
            start=clip.start,
            end=clip.end,
            transform=lambda f: f[:1, :1],
            threads=1,
        )
    except VideoError as error:
        return error.reason
    return ""


class VideoIndex:
    """Index of the videos below a folder, at any depth.

    Args:
        root: Folder.
        bench: Benchmark that defines which names mean the same video.
    """

    def __init__(self, root: str | Path, bench: Benchmark) -> None:
        self.root = user_path(root, DataError)
        self._bench = bench
        self._paths: dict[str, list[str]] = {}
        for path in find_videos(self.root):
            key = bench.match_key(bench.video_id(_stem(path))).casefold()
            self._paths.setdefault(key, []).append(path)

    def names(self) -> Iterator[str]:
        """Yield the file name, without an extension, of each video: of the first in path order."""
        return (_stem(min(paths, key=natural_key)) for paths in self._paths.values())

    def find(self, video: Video) -> Path | None:
        """Return the file of a video of a list; None if it is missing.

        If several files have its name, these come first, in this order: the file with the same
        spelling, the file in a folder of its class, a video file rather than a folder of images,
        and the first by path.
        """
        paths = self._paths.get(self._bench.match_key(video.id).casefold(), [])
        if len(paths) < 2:
            return Path(paths[0]) if paths else None
        label = normalise(video.label)

        def rank(path: str) -> tuple[object, ...]:
            return (
                self._bench.video_id(_stem(path)) != video.id,
                normalise(Path(path).parent.name) != label,
                os.path.isdir(path),
                natural_key(path),
            )

        return Path(min(paths, key=rank))


def _stem(path: str) -> str:
    return stem_and_suffix(os.path.basename(path))[0]


def find_videos(root: Path) -> Iterator[str]:
    """Yield all video files and folders of numbered images below a folder.

    Each folder is read once, under its own name rather than a link's; hidden entries are skipped. A
    folder that contains a video or another folder is not a folder of images, even if it contains
    thumbnails.
    """
    if not root.is_dir():
        raise DataError(
            "this is a file" if root.exists() else "there is no such folder",
            where=str(root),
            expected="the folder of the videos",
        )
    waiting = [str(root)]
    links: list[str] = []
    visited: set[tuple[int, int]] = set()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop()
        has_images, below, files = False, [], []
        with reading(folder):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith((".", "@")):
                        continue
                    if entry.is_dir():
                        below.append(entry)
                        continue
                    before, _, suffix = name.rpartition(".")
                    suffix = "." + suffix.lower()
                    if suffix in VIDEO_SUFFIXES:
                        files.append(entry.path)
                    elif suffix in IMAGE_SUFFIXES and not has_images:
                        has_images = any(map(str.isdigit, before))
        if has_images and not below and not files:
            yield folder
        yield from files
        for entry in below:
            (links if entry.is_symlink() else waiting).append(entry.path)


IN_NAME = {
    "ntu120": re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}(A\d{3})(?:_rgb)?", re.IGNORECASE),
    "ucf101": re.compile(r"v_(.+)_g\d+_c\d+", re.IGNORECASE | re.DOTALL),
}
"""Class in the file name of a video, by family."""
HMDB51 = re.compile(
    r"(.+)_[fhlu]_(?:cm|nm)_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+", re.IGNORECASE | re.DOTALL
)


def list_from_file_names(bench: Benchmark, files: VideoIndex) -> VideoList:
    """Return the list of all files that are videos of the benchmark by their names.

    A split is flagged as modified if its hash differs although no video is missing, or if a class
    has more videos than the published list.
    """
    videos: dict[Split, list[Video]] = {split: [] for split in SPLITS}
    for name in files.names():
        label = class_of_file(bench, name)
        if label is not None:
            split = bench.split_of[label]
            videos[split].append(build_video(bench, split, label, name))
    changed = [split for split in SPLITS if _is_modified(bench, split, videos[split])]
    listed = build_list(bench, (video for split in SPLITS for video in videos[split]))
    return replace(listed, flags=modified_flags(changed))


def class_of_file(bench: Benchmark, name: str) -> str | None:
    """Return the class in a file name of UCF-101, HMDB-51 or NTU RGB+D; None for other files.

    >>> from fewact.lab.benchmarks.benchmarks import benchmark
    >>> class_of_file(benchmark("ucf101"), "v_HandStandPushups_g01_c01")
    'HandstandPushups'
    >>> class_of_file(benchmark("hmdb51"), "Fencing_draw_sword_f_nm_np1_le_bad_2")
    'draw_sword'
    """
    if bench.family in IN_NAME:
        match = IN_NAME[bench.family].fullmatch(name)
        return bench.find_class(match[1]) if match else None
    match = HMDB51.fullmatch(name)
    before = f"_{match[1].casefold()}" if match else ""
    return max((c for c in bench.split_of if before.endswith(f"_{c}")), key=len, default=None)


def _is_modified(bench: Benchmark, split: Split, videos: list[Video]) -> bool:
    counts, published = Counter(video.label for video in videos), bench.counts[split]
    has_more = any(counts[label] > published[label] for label in published)
    has_fewer = any(counts[label] < published[label] for label in published)
    return bool(published) and not is_canonical(bench, videos) and (has_more or not has_fewer)


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
            UCF-101, HMDB-51 and NTU RGB+D need no list: all videos of their classes belong to it.
        split: Split to return; videos of other splits may be missing. None for all.
        allow_missing: Leave out missing videos and add a flag, instead of raising an error.
        availability: File written by ``fewact data check``; videos that it lists as unreadable are
            left out.

    Raises:
        DataError: There is no list or no such folder, videos are missing, or the folder differs
            from the availability file.
    """
    bench = benchmark(name)
    if root is None:
        listed = find_list(bench, splits) or _no_list(bench)
        return listed if split is None else listed.of(split)
    videos, expected = _find_files(bench, root, splits)
    checked = None if availability is None else Availability.read(availability)
    broken = (checked.unreadable if checked else {}) | _empty(videos)
    counted = _count(bench, videos, expected, broken)
    if checked and checked.digest != counted.digest:
        raise DataError(
            f"was written for another list, or for another state of {root}",
            where=str(availability),
            hint=f"Write it again with `fewact data check {bench.id}`.",
        )
    gap = counted.gap(split)
    if gap and not allow_missing:
        short = [c for c in counted.classes if c.available < c.listed and split in (None, c.split)]
        raise DataError(
            f"videos of {bench.id} are missing: {gap}",
            where=str(root),
            got=first_few(f"{c.available} of {c.listed} of {c.label}" for c in short),
            hint=f"`fewact data check {bench.id}` lists them. {_times_hint(bench)}With "
            "--allow-missing (allow_missing=True) they are left out, and every result shows that.",
        )
    available = replace(videos, videos=_available(videos, broken), availability=counted.digest)
    if not available.videos:
        raise DataError(f"holds no video of {bench.id}", where=str(root))
    if gap:
        available = available.with_flags(
            [f"videos missing: {gap} (availability {counted.digest[:12]})"]
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

    With ``deep``, all frames of each video are decoded, and ``progress`` is called after each video
    with the number of decoded videos and of all. Other arguments are as for ``load_benchmark``.
    """
    bench = benchmark(name)
    videos, expected = _find_files(bench, root, splits)
    broken = (find_unreadable(videos.videos, progress) if deep else {}) | _empty(videos)
    return _count(bench, videos, expected, broken, deep=deep)


def _no_list(bench: Benchmark) -> NoReturn:
    raise DataError(
        f"the list of {bench.id} is missing",
        expected=f"a folder that contains it: --splits (splits=), or {FOLDER_VARIABLE}",
        hint=f"It is published at {bench.published}.",
    )


def _times_hint(bench: Benchmark) -> str:
    names = " and ".join(TIMES.get(bench.family, ()))
    return f"Segments of whole recordings need {names} beside the list. " if names else ""


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
    segments = find_segments(bench, files.root, splits)
    with_files = (replace(v, source=_clip(v, files, segments.get(v.id))) for v in videos.videos)
    return replace(videos, videos=tuple(with_files)), expected


def _clip(video: Video, files: VideoIndex, segment: RecordingSegment | None) -> Clip | None:
    """Return the clip of a video: its file, or a segment of its recording; None if it is missing.

    A recording as a folder of images has no times of its own.
    """
    path = files.find(video)
    if path is not None:
        return Clip(path, video.label, group=video.group)
    if segment is None:
        return None
    recording, start, end = segment
    path = files.find(replace(video, id=recording))
    if path is None or path.is_dir():
        return None
    return Clip(path, video.label, start, end, video.group)


def _empty(videos: VideoList) -> dict[str, str]:
    """Return the reason by id of each video whose file has no bytes: an interrupted copy."""
    reasons = {}
    for video in videos.videos:
        with suppress(OSError):  # what cannot be opened is reported where it is read
            if video.clip is not None and _is_empty(video.clip.path.stat()):
                reasons[video.id] = "the file has 0 bytes"
    return reasons


def _is_empty(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and not status.st_size


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
