"""Known videos of a list: their fingerprints by id.

A store identifies a video by its bytes. Reading all bytes of a benchmark takes minutes, so a file
that did not change is not read again. On another machine without the videos, the ids of a list
identify them.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.core.atomic import write_text
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OutputError, StoreError
from fewact.core.temporary import remove_leftovers
from fewact.data.clips import Clip
from fewact.data.files import legible
from fewact.data.videos import Video
from fewact.features.store.index import FILE as INDEX
from fewact.features.store.index import NEW_FILES, Index, names_in, read_index, write_index
from fewact.video.source import VideoSource

SUFFIX: Final = ".json"

PAGES: Final = 64
"""Largest number of pages of the index that are kept in memory."""

FOLDERS: Final = 1024
"""Largest number of folders whose absolute paths are kept in memory."""

PAGE = FileType("list of known videos", StoreError, 1 * GIB)


class KnownVideo(BaseModel):
    """Known facts of a video.

    Args:
        fingerprint: Fingerprint of its video source; None if its bytes cannot be read.
        stamp: Stamp of its files, see ``stamp``; None for a video source without files.
        error: Why its features could not be computed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str | None = None
    stamp: str | None = None
    error: str | None = None


class _Page(BaseModel):
    """Known videos of a list, by id."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["fewact known videos"] = "fewact known videos"
    version: Literal[1] = 1
    list: str
    videos: dict[str, KnownVideo]


class KnownList:
    """Known videos of one list.

    Args:
        known: Known facts by id; several if different files had the same id.
        index: Index of the pages that are read when one of their videos is looked up.
        folder: Folder of these pages.
    """

    def __init__(
        self,
        known: Mapping[str, tuple[KnownVideo, ...]],
        index: Index | None = None,
        folder: Path | None = None,
    ) -> None:
        self._known, self._index, self._folder = known, index or Index(), folder
        self._page = lru_cache(PAGES)(_read_page)

    def fingerprint(self, video: Video, at: str | None) -> str | None:
        """Return a video's fingerprint if it is known without reading a file, otherwise None.

        Args:
            video: The video. If there is no file, its id decides, unless several videos had it.
            at: Stamp of its video source.
        """
        if video.source is not None and not isinstance(video.source, Clip):
            return video.source.fingerprint()
        found = self._facts(video)
        if at is not None:
            return next((one.fingerprint for one in found if one.stamp == at), None)
        known = {one.fingerprint for one in found if one.fingerprint}
        return known.pop() if len(known) == 1 else None

    def error(self, video: Video) -> str | None:
        """Return why the features of a video could not be computed; None if that is not known."""
        return next((one.error for one in self._facts(video) if one.error), None)

    def _facts(self, video: Video) -> list[KnownVideo]:
        id = legible(video.id)
        found = list(self._known.get(id, ()))
        if self._folder is not None:
            for name, _ in self._index.find(_key(id)):
                page = self._page(self._folder / name)
                found += [page[id]] if id in page else []
        return found


class KnownVideos:
    """Known videos of all lists of a store.

    Args:
        folder: Folder with a subfolder for each list.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> KnownList:
        """Return the known videos of a list; files that cannot be read are ignored."""
        folder = self._of(name)
        present = names_in(folder, SUFFIX)
        index = read_index(folder / INDEX, folder.name, present)
        new = sorted(present - set(index.files))
        if len(new) >= NEW_FILES:
            pages = ((one, _read_page(folder / one)) for one in new)
            index = index.with_files({one: [*map(_key, page)] for one, page in pages if page})
            new = []
            with suppress(OutputError):  # The store may be read-only: the index is kept in memory.
                write_index(folder / INDEX, folder.name, index)
        known: dict[str, tuple[KnownVideo, ...]] = {}
        for one in new:
            for id, facts in _read_page(folder / one).items():
                known[id] = (*known.get(id, ()), facts)
        return KnownList(known, index, folder)

    def write(self, name: str, known: Mapping[str, KnownVideo]) -> None:
        """Write known videos of a list; a file of the same videos is replaced.

        Raises:
            OutputError: The file cannot be written.
        """
        remove_leftovers(self._of(name))
        page = _Page(list=legible(name), videos={legible(id): one for id, one in known.items()})
        ids = "\n".join(page.videos)
        path = self._of(name) / f"{hashlib.sha256(ids.encode()).hexdigest()[:24]}{SUFFIX}"
        text = page.model_dump_json(indent=1) + "\n"
        if not path.exists() or PAGE.content(path) != text.encode():
            write_text(path, text)

    def _of(self, name: str) -> Path:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:60].lstrip(".")
        return self._folder / f"{plain}-{hashlib.sha256(legible(name).encode()).hexdigest()[:8]}"


def _resolved(path: Path) -> str:
    """Return the absolute path without symbolic links; folders are resolved once."""
    if path.name in ("", "..") or path.is_symlink():
        return str(path.resolve())
    return os.path.join(_resolved_folder(os.path.join(os.getcwd(), path.parent)), path.name)


@lru_cache(FOLDERS)
def _resolved_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _read_page(path: Path) -> dict[str, KnownVideo]:
    """Return the known videos of a page by id; none if it cannot be read."""
    try:
        return _Page.model_validate_json(PAGE.content(path)).videos
    except (StoreError, ValidationError):
        return {}


def _key(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()


def stamp(source: VideoSource | None) -> str | None:
    """Return the SHA-256 of the paths, sizes and modification times of a clip's files.

    Returns:
        The stamp; None for a video source without files, or if the files cannot be read.
    """
    if not isinstance(source, Clip):
        return None
    path = source.path
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [(one.name, (at := one.stat()).st_size, at.st_mtime_ns) for one in files]
        where = _resolved(path)
    except OSError:
        return None
    content = repr((where, source.start, source.end, facts))
    return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
