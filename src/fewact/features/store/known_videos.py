"""Which videos of a list were seen: their fingerprints by their ids.

A video goes by its bytes. Reading all bytes of a benchmark to know them takes minutes: a file that
has not changed since is not read again. And where a store is taken to another machine, the ids of a
list say which of its videos are meant, without the videos.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.data.clips import Clip
from fewact.data.video_source import VideoSource
from fewact.data.videos import Video
from fewact.io.atomic import write_text


class KnownVideo(BaseModel):
    """What is known of a video of a list.

    Args:
        fingerprint: Of its footage; None where not even its bytes can be read.
        stamp: Of its files, see ``stamp``; None for footage that lies in no file.
        error: Why nothing could be made of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str | None = None
    stamp: str | None = None
    error: str | None = None


class _Page(BaseModel):
    """Videos of a list, by id."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact seen videos"] = "fewact seen videos"
    version: Literal[1] = 1
    list: str
    videos: dict[str, KnownVideo]


class KnownList:
    """What is known of the videos of one list.

    Args:
        seen: By id; several where files of one id have been seen.
    """

    def __init__(self, known: Mapping[str, tuple[KnownVideo, ...]]) -> None:
        self._seen = known

    def fingerprint(self, video: Video, at: str | None) -> str | None:
        """A video's fingerprint if no file need be read for it, else None.

        Args:
            video: The video. Where there is no file its id decides, unless several were seen under
                it.
            at: The ``stamp`` of its footage.
        """
        if video.source is not None and not isinstance(video.source, Clip):
            return video.source.fingerprint()
        found = self._seen.get(_legible(video.id), ())
        if at is not None:
            return next((one.fingerprint for one in found if one.stamp == at), None)
        known = {one.fingerprint for one in found if one.fingerprint}
        return known.pop() if len(known) == 1 else None

    def error(self, video: Video) -> str | None:
        """Why nothing could be made of a video, when that was tried."""
        return next(
            (one.error for one in self._seen.get(_legible(video.id), ()) if one.error), None
        )


class KnownVideos:
    """The lists of a store.

    Args:
        folder: Where they are kept, a folder for each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> KnownList:
        """What is known of the videos of a list; pages that cannot be read tell nothing."""
        found: dict[str, tuple[KnownVideo, ...]] = {}
        for path in sorted(self._of(name).glob("*.json")):
            try:
                page = _Page.model_validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue
            for id, known in page.videos.items():
                found[id] = (*found.get(id, ()), known)
        return KnownList(found)

    def write(self, name: str, known: Mapping[str, KnownVideo]) -> None:
        """Note videos of a list; a note of the same videos is replaced.

        Raises:
            OSError: It cannot be written.
        """
        page = _Page(list=_legible(name), videos={_legible(id): one for id, one in known.items()})
        ids = "\n".join(page.videos)
        path = self._of(name) / f"{hashlib.sha256(ids.encode()).hexdigest()[:24]}.json"
        text = page.model_dump_json(indent=1) + "\n"
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)

    def _of(self, name: str) -> Path:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:60].lstrip(".")
        return self._folder / f"{plain}-{hashlib.sha256(_legible(name).encode()).hexdigest()[:8]}"


def _legible(text: str) -> str:
    """A name of a file that is no Unicode, with its odd bytes as escapes."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def stamp(source: VideoSource | None) -> str | None:
    """SHA-256 of where a clip's files lie, their sizes and when they were changed.

    Returns:
        None for footage in no file, or in files that cannot be looked at.
    """
    if not isinstance(source, Clip):
        return None
    path = source.path
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [(one.name, (at := one.stat()).st_size, at.st_mtime_ns) for one in files]
        where = str(path.resolve())
    except OSError:
        return None
    told = repr((where, source.start, source.end, facts))
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()
