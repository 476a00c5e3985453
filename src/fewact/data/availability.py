"""Availability of a benchmark's videos, as a file."""

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from fewact.core.atomic import write_text
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError, VideoError
from fewact.core.machine import usable_cores
from fewact.core.paths import user_path
from fewact.data.videos import SPLITS, Split, Video

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
        unreadable: Id of each video that cannot be read, with the reason.
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
        """Return how many videos are not available, such as "train 13 of 6387, test 3 of 2397".

        Args:
            split: Split that counts; None for all.

        Returns:
            Number of each incomplete split; empty if all videos are available.
        """
        parts = []
        for part in SPLITS if split is None else (split,):
            rows = [c for c in self.classes if c.split == part]
            listed, available = sum(c.listed for c in rows), sum(c.available for c in rows)
            if available < listed:
                parts.append(f"{part} {listed - available} of {listed}")
        return ", ".join(parts)

    def write(self, path: str | Path) -> Path:
        """Write a JSON file; an existing file is replaced atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        return write_text(user_path(path, DataError), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Availability":
        """Read a file that ``write`` wrote.

        Raises:
            DataError: The file cannot be read, or is not an availability file.
        """
        return AVAILABILITY.model(user_path(path, DataError), cls)


def find_unreadable(videos: Iterable[Video], progress: Progress | None = None) -> dict[str, str]:
    """Decode all frames of each video, several videos at once.

    Args:
        videos: Videos; those without a clip are skipped.
        progress: Function called after each video with the number of decoded videos and of all.

    Returns:
        Id of each video that cannot be read, with the reason.
    """
    paths = {video.id: video.clip.path for video in videos if video.clip is not None}
    broken: dict[str, str] = {}
    pool = ThreadPoolExecutor(usable_cores())
    try:
        jobs = {pool.submit(_read_error, path): id for id, path in paths.items()}
        for done, job in enumerate(as_completed(jobs), 1):
            if reason := job.result():
                broken[jobs[job]] = reason
            if progress is not None:
                progress(done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)
    return {id: broken[id] for id in paths if id in broken}


def _read_error(path: Path) -> str:
    """Return the reason why a video cannot be read; empty if it can."""
    from fewact.video import EveryNth, read_frames

    try:
        # Every frame is decoded; one pixel of it is kept.
        read_frames(path, EveryNth(1), transform=lambda f: f[:1, :1], threads=1)
    except VideoError as error:
        return error.reason
    return ""
