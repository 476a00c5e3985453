"""What lies below a folder, in whatever layout: each video found by its name, after one walk."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fewact.data.benchmarks import Benchmark, fold
from fewact.data.files import PICTURE_SUFFIXES, VIDEO_SUFFIXES, natural_key
from fewact.data.lists import stem
from fewact.data.videos import Video
from fewact.errors import DataError


class Found(NamedTuple):
    """A video below a folder.

    Args:
        path: Where it is.
        name: What it is called, without extension.
        frames: Whether it is a folder of pictures.
    """

    path: str
    name: str
    frames: bool


class Tree:
    """The videos below a folder.

    Args:
        root: The folder; files may lie at any depth.
        bench: Says which names stand for one video.

    Raises:
        DataError: No such folder, or a part of it cannot be read.
    """

    def __init__(self, root: str | Path, bench: Benchmark) -> None:
        self.root = Path(root).expanduser()
        self._bench = bench
        self._found: dict[str, list[Found]] = {}
        for found in walk(self.root):
            key = bench.key(bench.id_of(found.name)).casefold()
            self._found.setdefault(key, []).append(found)

    def __iter__(self) -> Iterator[Found]:
        """For each name that stands for one video the first that is called so, in path order."""
        return (min(found, key=lambda one: natural_key(one.path)) for found in self._found.values())

    def find(self, video: Video) -> Path | None:
        """Where a video of a list lies.

        Of several of one name it is the one that is spelled alike, then one in a folder of its
        class, then a file rather than a folder of its frames, then the first by name.
        """
        found = self._found.get(self._bench.key(video.id).casefold(), [])
        if not found:
            return None
        return Path(found[0].path if len(found) == 1 else self._best(video, found).path)

    def _best(self, video: Video, found: list[Found]) -> Found:
        label = fold(video.label)

        def rank(one: Found) -> tuple[object, ...]:
            spelled = self._bench.id_of(one.name) == video.id
            return (
                not spelled,
                fold(Path(one.path).parent.name) != label,
                one.frames,
                natural_key(one.path),
            )

        return min(found, key=rank)


def walk(root: Path) -> Iterator[Found]:
    """All video files and folders of numbered pictures below a folder, links followed once.

    Hidden entries are passed over. A folder with a video or another folder in it is not a folder of
    pictures, whatever thumbnails it holds.

    Raises:
        DataError: No such folder, or a part of it cannot be read.
    """
    if not root.is_dir():
        raise DataError(
            "this is a file" if root.exists() else "there is no such folder",
            where=str(root),
            expected="the folder that the videos are in",
        )
    waiting, linked = [str(root)], {os.path.realpath(root)}
    while waiting:
        folder = waiting.pop()
        pictures, below, files = False, [], []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith((".", "@")):
                        continue
                    if entry.is_dir():
                        if not entry.is_symlink() or _first(entry.path, linked):
                            below.append(entry.path)
                        continue
                    before, _, suffix = name.rpartition(".")
                    suffix = "." + suffix.lower()
                    if suffix in VIDEO_SUFFIXES:
                        files.append(Found(entry.path, stem(name), False))
                    elif suffix in PICTURE_SUFFIXES and not pictures:
                        pictures = any(map(str.isdigit, before))
        except OSError as error:
            raise DataError(f"the folder cannot be read: {error.strerror}", where=folder) from error
        if pictures and not below and not files:
            yield Found(folder, stem(os.path.basename(folder)), True)
        yield from files
        waiting += below


def _first(link: str, linked: set[str]) -> bool:
    """Whether a linked folder is met for the first time."""
    place = os.path.realpath(link)
    new = place not in linked
    linked.add(place)
    return new
