"""Clips named on a command line: files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fewact.core.errors import DataError, VideoError, warn
from fewact.core.paths import similar_name, user_path
from fewact.data.files import (
    VIDEO_SUFFIXES,
    entries,
    first_few,
    is_image_file,
    is_numbered_image,
    is_saved_model,
    natural_key,
)


def expand_paths(
    arguments: Iterable[str | os.PathLike[str]], *, may_be_missing: bool = False
) -> list[Path]:
    """Return the clips that files, folders and patterns name.

    A file counts whatever its extension, and whether it exists: the error comes when it is read. A
    folder of numbered images is one clip, see ``clips_below``; any other folder means all clips
    below it. Patterns are ``*``, ``?``, ``[…]``, and ``**`` for any folders; an existing file of
    the same name comes first.

    Args:
        arguments: Files, folders and patterns.
        may_be_missing: Whether all of them may be files that do not exist.

    Returns:
        Each clip once, in the order of the arguments; clips of one folder or pattern in natural
        order.

    Raises:
        DataError: A folder or pattern has no clip, or no named file exists; the message lists them.
    """
    clip_of: dict[str, Path] = {}
    unmatched: list[str] = []
    missing: list[str] = []
    ignored: list[Path] = []
    folders: dict[Path, str] = {}
    named = list(arguments)
    for argument in named:
        path = user_path(argument, DataError)
        clips = list(_expand(path, ignored))
        if not clips:
            unmatched.append(str(argument))
        elif clips == [path] and not os.path.exists(path):
            missing.append(str(argument))
        for clip in clips:
            clip_of.setdefault(_real(clip, folders), clip)
    if unmatched or (len(missing) == len(named) and not may_be_missing):
        raise no_clips([*missing, *unmatched])
    warn_of_images(ignored)
    return list(clip_of.values())


def no_clips(names: Sequence[str]) -> DataError:
    """Return the error that files, folders and patterns have no clips."""
    return DataError(
        "no clips found",
        where=first_few(names),
        expected="video files, folders of video files, or patterns",
        hint=similar_name(Path(names[0]))
        if len(names) == 1 and not os.path.exists(names[0])
        else "",
    )


def warn_of_images(ignored: Iterable[Path]) -> None:
    """Warn of images that are no clip, if there are any; see ``clips_below``."""
    names = dict.fromkeys(map(str, ignored))
    if names:
        warn(f"ignored, images in a folder that has other clips: {first_few(names)}")


def _expand(path: Path, ignored: list[Path]) -> Iterator[Path]:
    if os.path.isdir(path):
        yield from clips_below(path, ignored)
    elif os.path.exists(path) or not glob.has_magic(str(path)):
        yield path
    else:
        names = sorted(set(_matches(str(path))), key=natural_key)
        for match in map(Path, names):
            if is_saved_model(match):
                continue
            if match.is_dir():
                yield from clips_below(match, ignored)
            elif is_clip(match):
                yield match


def is_clip(path: Path) -> bool:
    """Return whether a path has a video's extension or is a folder of numbered images.

    A broken link to a video counts: the error comes when it is read. See ``clips_below`` for
    folders.
    """
    if path.is_dir():
        return next(clips_below(path), None) == path
    return _is_video(path)


def check_one_clip(path: Path) -> None:
    """Refuse a folder of clips where one clip is expected.

    Raises:
        VideoError: The path is a folder of clips, or a folder that cannot be read.
    """
    try:
        clips = list(clips_below(path)) if os.path.isdir(path) else []
    except DataError as error:
        raise VideoError(path, error.what) from error
    if clips not in ([], [path]):
        raise VideoError(
            path,
            f"this is a folder of {len(clips)} clip{'s' * (len(clips) > 1)}",
            expected="one clip: a video file, or a folder of numbered images",
            hint=f"Name one of them, such as {clips[0]}.",
        )


def clips_below(folder: Path, ignored: list[Path] | None = None) -> Iterator[Path]:
    """Yield the clips below a folder in natural order; each folder once, however links lead to it.

    A folder of numbered images is a clip if there is no other clip in it. A photo beside videos
    does not hide them. Saved models below the folder are skipped.

    Args:
        folder: Folder; it may be a clip itself.
        ignored: List that receives the images, numbered or not, whose folder has other clips.

    Raises:
        DataError: A folder cannot be read.
    """
    waiting: list[tuple[Path, list[Path], int]] = [(folder, [], 0)]
    visited = set()
    count = 0
    while waiting:
        path, images, before = waiting.pop()
        if images:  # a folder whose other entries were visited
            if count > before:
                if ignored is not None:
                    ignored += images
            elif any(map(is_numbered_image, images)):
                count += 1
                yield path
        elif not path.is_dir():
            count += 1
            yield path
        elif (identity := _identity(path)) not in visited:
            visited.add(identity)
            inside = entries(path)
            images = [entry for entry in inside if is_image_file(entry)]
            if images and not is_saved_model(path):
                waiting.append((path, images, count))
            clips = [e for e in inside if _is_video(e) or (e.is_dir() and not is_saved_model(e))]
            waiting += ((clip, [], 0) for clip in reversed(clips))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _matches(pattern: str) -> Iterator[str]:
    """Yield the files and folders of a pattern; ``**`` finds each folder once.

    ``glob`` would follow links again and again.
    """
    before, wildcard, after = pattern.partition(f"**{os.sep}")
    if not wildcard and pattern.endswith("**"):
        before, wildcard, after = pattern[:-2], "**", "*"
    if not wildcard or before[-1:] not in ("", os.sep):
        yield from glob.iglob(pattern)
        return
    visited: set[tuple[int, int]] = set()
    waiting = glob.glob(before) if before else [""]
    while waiting:
        folder = waiting.pop()
        identity = _identity(Path(folder))
        if identity in visited:
            continue
        visited.add(identity)
        yield from _matches(os.path.join(glob.escape(folder), after))
        waiting += (f for f in glob.iglob(os.path.join(glob.escape(folder), "*", "")))


def _identity(folder: Path) -> tuple[int, int]:
    """Return the device and number of a folder, which all its names share.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        status = folder.stat()
    except OSError as error:
        raise DataError(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error
    return status.st_dev, status.st_ino


def _real(clip: Path, folders: dict[Path, str]) -> str:
    """Return the path of a clip without links; ``folders`` remembers those of folders."""
    if clip.is_symlink():
        return os.path.realpath(clip)
    parent = clip.parent
    if parent not in folders:
        folders[parent] = os.path.realpath(parent)
    return os.path.join(folders[parent], clip.name)
