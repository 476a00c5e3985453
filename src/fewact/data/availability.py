"""What is there of a benchmark, as a file."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from fewact.data.benchmarks import SPLITS
from fewact.data.videos import Split, Video
from fewact.errors import DataError, VideoError
from fewact.io.atomic import write_text

Progress = Callable[[int, int], None]


class ClassCount(BaseModel):
    """How much of a class is there.

    Args:
        split: That the class is in.
        label: The class.
        listed: Videos in the list.
        there: Those that are found and not known to be unreadable.
        unreadable: Those that are found and cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: Split
    label: str
    listed: NonNegativeInt
    there: NonNegativeInt
    unreadable: NonNegativeInt = 0

    @property
    def missing(self) -> int:
        """Those that are not found."""
        return self.listed - self.there - self.unreadable


class Availability(BaseModel):
    """What is there of a benchmark, what is missing, and what cannot be read.

    Args:
        benchmark: Its name.
        videos: Hash of the list of the videos that are there.
        deep: Whether each video was decoded.
        flags: Of the list: "modified list (train)".
        classes: Counts of each class.
        missing: Ids of the videos that are not found, as far as a list names them.
        unreadable: Ids of the videos that cannot be read, each with the reason.
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
        """SHA-256 over what is there and what is not; why, and who looked, does not count."""
        facts = self.model_dump(mode="json", exclude={"deep", "flags", "unreadable"})
        facts["unreadable"] = sorted(self.unreadable)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def gap(self, split: Split | None = None) -> str:
        """How many videos are not there: "train 13 of 6387, test 3 of 2397"; empty where none.

        Args:
            split: Of this one only; None for all.
        """
        parts = []
        for of in SPLITS if split is None else (split,):
            rows = [c for c in self.classes if c.split == of]
            listed, there = sum(c.listed for c in rows), sum(c.there for c in rows)
            if there < listed:
                parts.append(f"{of} {listed - there} of {listed}")
        return ", ".join(parts)

    def write(self, path: str | Path) -> Path:
        """Write it as JSON, as a whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        return write_text(Path(path).expanduser(), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Availability":
        """Read what ``write`` wrote.

        Raises:
            DataError: It cannot be read, or is no availability file.
        """
        try:
            return cls.model_validate_json(Path(path).expanduser().read_bytes())
        except OSError as error:
            raise DataError(
                f"the file cannot be read: {error.strerror}", where=str(path)
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(
                f"no availability file: {first['msg']}",
                where=", ".join((str(path), *map(str, first["loc"]))),
                expected="what `fewact data check -o FILE` writes",
            ) from None


def unreadable(videos: Iterable[Video], progress: Progress | None = None) -> dict[str, str]:
    """Decode all frames of each video, several at once.

    Args:
        videos: Those without a clip are passed over.
        progress: Called with the videos decoded and how many there are, after each.

    Returns:
        For each video that cannot be read, by id, why.
    """
    chosen = [video for video in videos if video.clip is not None]
    broken: dict[str, str] = {}
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        jobs = {pool.submit(_fault, video): video.id for video in chosen}
        for done, job in enumerate(as_completed(jobs), 1):
            reason = job.result()
            if reason:
                broken[jobs[job]] = reason
            if progress is not None:
                progress(done, len(chosen))
    finally:
        pool.shutdown(cancel_futures=True)
    return {video.id: broken[video.id] for video in chosen if video.id in broken}


def _fault(video: Video) -> str:
    """Why a video cannot be read; empty where it can."""
    from fewact.video import EveryNth, read_frames

    if video.clip is None:
        return ""
    try:
        # Every frame is decoded, and one pixel of it is held.
        read_frames(video.clip.path, EveryNth(1), transform=lambda f: f[:1, :1], threads=1)
    except VideoError as error:
        return error.reason
    return ""
