"""Write and read the synthetic benchmark as a folder of video files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fewact.core.atomic import check_output_folder, is_empty, write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, VideoError
from fewact.core.paths import user_path
from fewact.core.text_table import csv_line
from fewact.data.clips import Clip
from fewact.data.videos import Split, Video, VideoList
from fewact.synthetic.benchmark import FPS, MotionsBenchmark, motions
from fewact.video import probe, write_video

INDEX_NAME, TABLE_NAME = "motions.json", "motions.csv"
FOLDER_HINT = "Choose another folder, or move this one away."
INDEX_FILE = FileType("index of this version", DataError, 64 * MIB, hint=FOLDER_HINT)


class Entry(BaseModel):
    """Entry of a video in the index, with the ground truth of each frame as in ``Truth``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    label: str
    split: Split
    parts: tuple[str, ...]
    part: tuple[int, ...]
    phase: tuple[float, ...]
    pause: tuple[bool, ...]


class FolderIndex(BaseModel):
    """Index of a folder: the benchmark and its videos, written or about to be written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["motions-1"] = "motions-1"
    preset: str
    seed: int
    count: int
    size: int
    frames: tuple[int, int]
    videos: dict[str, Entry]

    @property
    def benchmark(self) -> MotionsBenchmark:
        """Benchmark of the folder."""
        return motions(
            self.preset, seed=self.seed, videos=self.count, size=self.size, frames=self.frames
        )


def write_folder(
    benchmark: MotionsBenchmark,
    folder: str | Path,
    *,
    split: Split | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VideoList:
    """Write videos as mp4 files into ``split/class/`` below a folder.

    The index ``motions.json`` holds class, split and ground truth of each video. It is written
    first and lists the benchmark's files. Existing files are kept, so that an interrupted call can
    be repeated, and another split or more videos can be added. Finally ``motions.csv`` lists all
    files as a table of clips.

    Args:
        benchmark: Benchmark to write.
        folder: Folder: new, empty, or written from the same benchmark.
        split: Split to write; None for all.
        progress: Function called with the number of finished videos and their total.

    Returns:
        Videos with their files.

    Raises:
        DataError: The folder holds something else, or a video was changed.
        OutputError: The folder cannot be written.
    """
    root = user_path(folder, DataError)
    requested = benchmark.videos if split is None else benchmark.videos.of(split)
    entries = {video.id: _entry(benchmark, video) for video in requested.videos}
    index = _read_own(root, benchmark)
    check_output_folder(root)
    index = _merge(root, index, benchmark, entries)
    write_text(root / INDEX_NAME, _as_text(index))
    for done, (id, entry) in enumerate(entries.items(), start=1):
        path = root / entry.path
        if path.exists():
            _check(path, entry, benchmark.size)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, benchmark.render(id), FPS)
        if progress is not None:
            progress(done, len(entries))
    present = _present(root, index)
    _write_table(root, present)
    return replace(requested, videos=tuple(video for video in present if video.id in entries))


def read_folder(folder: str | Path) -> tuple[MotionsBenchmark, VideoList]:
    """Read a folder written by ``write_folder``.

    Args:
        folder: Folder of the benchmark.

    Returns:
        Benchmark, with the ground truth of each video, and the videos with their files.

    Raises:
        DataError: The folder has no valid index.
    """
    root = user_path(folder, DataError)
    index = _read(root)
    if index is None:
        raise DataError(
            "the folder has no index",
            where=str(root / INDEX_NAME),
            hint="Write one with `fewact data render`.",
        )
    benchmark = index.benchmark
    return benchmark, VideoList(benchmark.name, _present(root, index))


def _entry(benchmark: MotionsBenchmark, video: Video) -> Entry:
    truth = benchmark.truth(video.id)
    return Entry(
        path=f"{video.split}/{video.label}/{video.id.rpartition('/')[2]}.mp4",
        label=video.label,
        split=video.split,
        parts=truth.parts,
        part=tuple(truth.part.tolist()),
        phase=tuple(round(phase, 4) for phase in truth.phase.tolist()),
        pause=tuple(truth.pause.tolist()),
    )


def _read(root: Path) -> FolderIndex | None:
    return (
        INDEX_FILE.model(root / INDEX_NAME, FolderIndex) if (root / INDEX_NAME).exists() else None
    )


def _read_own(root: Path, benchmark: MotionsBenchmark) -> FolderIndex | None:
    """Return the index of an earlier call; None if the folder is new or empty."""
    if not root.exists():
        return None
    if not root.is_dir():
        raise DataError("not a folder", where=str(root), expected="a folder", hint=FOLDER_HINT)
    index = _read(root)
    if index is None and not is_empty(root):
        raise DataError("the folder holds something else", where=str(root), hint=FOLDER_HINT)
    if index is not None and index.benchmark.name != benchmark.name:
        raise DataError(
            "the folder holds another benchmark",
            where=str(root),
            got=index.benchmark.name,
            expected=benchmark.name,
            hint=FOLDER_HINT,
        )
    return index


def _merge(
    root: Path, index: FolderIndex | None, benchmark: MotionsBenchmark, entries: dict[str, Entry]
) -> FolderIndex:
    """Add videos to an index, unless foreign files are in their place."""
    indexed = index.videos if index else {}
    for id, entry in entries.items():
        if id not in indexed and (root / entry.path).exists():
            raise DataError(
                "not a file of the benchmark", where=str(root / entry.path), hint=FOLDER_HINT
            )
    return FolderIndex(
        preset=benchmark.preset,
        seed=benchmark.seed,
        count=max(benchmark.count, index.count if index else 0),
        size=benchmark.size,
        frames=benchmark.frames,
        videos=dict(sorted((indexed | entries).items())),
    )


def _as_text(index: FolderIndex) -> str:
    head = index.model_dump_json(exclude={"videos"})[:-1]
    lines = ",\n".join(f'"{id}": {entry.model_dump_json()}' for id, entry in index.videos.items())
    return f'{head}, "videos": {{\n{lines}\n}}}}\n'


def _check(path: Path, entry: Entry, size: int) -> None:
    side = size + size % 2  # video files have even sides
    try:
        facts = probe(path)
        equal = (facts.frames, facts.width, facts.height) == (len(entry.part), side, side)
    except VideoError:
        equal = False
    if not equal:
        raise DataError(
            "the video was changed", where=str(path), hint="Move it away and repeat the command."
        )


def _present(root: Path, index: FolderIndex) -> tuple[Video, ...]:
    return tuple(
        Video(id, entry.label, entry.split, source=Clip(root / entry.path, entry.label))
        for id, entry in index.videos.items()
        if (root / entry.path).exists()
    )


def _write_table(root: Path, videos: tuple[Video, ...]) -> None:
    lines = [csv_line(("path", "label", "split", "id"))]
    for video in videos:
        if video.clip is not None:
            path = video.clip.path.relative_to(root).as_posix()
            lines.append(csv_line((path, video.label, video.split, video.id)))
    write_text(root / TABLE_NAME, "".join(lines))
