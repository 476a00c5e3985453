"""Video files below a folder in any layout, indexed by name."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.benchmark_lists import video_stem
from fewact.data.benchmarks import Benchmark, normalise
from fewact.data.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_key
from fewact.data.videos import Video


class FoundVideo(NamedTuple):
    """Video found below a folder.

    Args:
        path: Path of the file or folder.
        name: File name without extension.
        is_folder: True for a folder of images.
    """

    path: str
    name: str
    is_folder: bool


class VideoIndex:
    """Index of the videos below a folder.

    Args:
        root: Folder that contains the files at any depth.
        bench: Benchmark that defines which names mean the same video.

    Raises:
        DataError: The folder does not exist, or a part of it cannot be read.
    """

    def __init__(self, root: str | Path, bench: Benchmark) -> None:
        self.root = user_path(root, DataError)
        self._bench = bench
        self._found: dict[str, list[FoundVideo]] = {}
        for found in find_videos(self.root):
            key = bench.match_key(bench.video_id(found.name)).casefold()
            self._found.setdefault(key, []).append(found)

    def __iter__(self) -> Iterator[FoundVideo]:
        """Yield one file for each video: the first in path order."""
        return (min(found, key=lambda one: natural_key(one.path)) for found in self._found.values())

    def find(self, video: Video) -> Path | None:
        """Return the file of a video of a list; None if it is missing.

        If several files have its name, these come first, in this order: the file with the same
        spelling, the file in a folder of its class, a video file rather than a folder of images,
        and the first by path.
        """
        found = self._found.get(self._bench.match_key(video.id).casefold(), [])
        if not found:
            return None
        return Path(found[0].path if len(found) == 1 else self._best(video, found).path)

    def _best(self, video: Video, found: list[FoundVideo]) -> FoundVideo:
        label = normalise(video.label)

        def rank(one: FoundVideo) -> tuple[object, ...]:
            same_spelling = self._bench.video_id(one.name) == video.id
            return (
                not same_spelling,
                normalise(Path(one.path).parent.name) != label,
                one.is_folder,
                natural_key(one.path),
            )

        return min(found, key=rank)


def find_videos(root: Path) -> Iterator[FoundVideo]:
    """Yield all video files and folders of numbered images below a folder.

    Each folder is read once, under its own name rather than a link's; hidden entries are skipped. A
    folder that contains a video or another folder is not a folder of images, even if it contains
    thumbnails.

    Raises:
        DataError: The folder does not exist, or a part of it cannot be read.
    """
    if not root.is_dir():
        raise DataError(
            "this is a file" if root.exists() else "there is no such folder",
            where=str(root),
            expected="the folder of the videos",
        )
    waiting = [str(root)]
    links: list[str] = []
    known: set[tuple[int, int]] = set()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop()
        has_images, below, files = False, [], []
        try:
            found = os.stat(folder)
            if (found.st_dev, found.st_ino) in known:
                continue
            known.add((found.st_dev, found.st_ino))
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
                        files.append(FoundVideo(entry.path, video_stem(name), False))
                    elif suffix in IMAGE_SUFFIXES and not has_images:
                        has_images = any(map(str.isdigit, before))
        except OSError as error:
            raise DataError(f"the folder cannot be read: {error.strerror}", where=folder) from error
        if has_images and not below and not files:
            yield FoundVideo(folder, video_stem(os.path.basename(folder)), True)
        yield from files
        for entry in below:
            (links if entry.is_symlink() else waiting).append(entry.path)
