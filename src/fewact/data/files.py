"""Files that are clips: their names and order, and folders and patterns that mean several."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fewact.core.errors import DataError, VideoError, warn
from fewact.core.paths import similar_name, user_path

if TYPE_CHECKING:
    from fewact.video.samplers import Timeline

VIDEO_SUFFIXES = frozenset(
    suffix
    for family in (
        ".264 .265 .3g2 .3gp .3gpp .apng .asf .avi .dav .divx .dv .f4v .flv .gif .h264 .h265",
        ".hevc .ivf .lrv .m1v .m2p .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mpe",
        ".mpeg .mpg .mts .mxf .nut .ogv .qt .rm .rmvb .tod .tp .trp .ts .vob .vro .webm .wmv",
        ".wtv .y4m",
    )
    for suffix in family.split()
)
SAVED_MODEL = "model.safetensors"
"""Name of the file of a saved classifier in its folder."""

_SURROGATE = re.compile("[\ud800-\udfff]")
IMAGE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))
_TABLES = (
    ".boris .csv .dat .eaf .json .jsonl .lgm .opf .otx .textgrid .tsv .txt .xlsm .xlsx .xltx .xml"
)
TABLE_SUFFIXES = tuple(_TABLES.split())
"""Extensions of tables of clips, and of files of other programs that may have clips."""


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Return a sort key that puts "clip 2" before "clip 10", the same on every machine.

    Upper and lower case, and the two Unicode forms of an accent, matter only if the names are equal
    otherwise.

    >>> sorted(["b", "A10", "a9"], key=natural_key)
    ['a9', 'A10', 'b']
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)  # text at even positions, digits at odd ones
    return tuple(_number(part) if i % 2 else part for i, part in enumerate(parts)), name


def _number(digits: str) -> tuple[int, str]:
    """Return a sort key of a number, which may have more digits than Python reads."""
    significant = digits.lstrip("0")
    return len(significant), significant


@contextmanager
def reading(folder: str | Path) -> Iterator[None]:
    """Raise a ``DataError`` if a folder cannot be read inside of ``with``."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the folder cannot be read: {error.strerror}", where=str(folder)
        ) from error


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order, except hidden ones and archive metadata."""
    with reading(folder):
        contents = list(folder.iterdir())
    visible = [e for e in contents if not e.name.startswith((".", "@")) and e.name != "__MACOSX"]
    return sorted(visible, key=lambda entry: natural_key(entry.name))


def legible(name: str) -> str:
    r"""Return a file name with what is no Unicode as escapes, so that it can be stored.

    >>> legible("caf\udce9.mp4"), legible("\ud800.mp4")
    ('caf\\xe9.mp4', '\\ud800.mp4')
    """
    return _SURROGATE.sub(_escape, name)


def _escape(surrogate: re.Match[str]) -> str:
    """Return the escape of a surrogate, which in names of Linux is a byte that is not UTF-8."""
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def is_image_file(path: Path) -> bool:
    """Return whether a path has an image extension."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_numbered_image(path: Path) -> bool:
    """Return whether a path has an image extension and a number in its name."""
    return is_image_file(path) and any(c.isdigit() for c in path.stem)


def is_saved_model(folder: Path) -> bool:
    """Return whether a folder is a saved classifier: what is below it is not its class."""
    return (folder / SAVED_MODEL).is_file()


def numbered(name: str, number: int) -> str:
    """Return a file's name as file managers give it to the copy of this number.

    >>> numbered("me.mp4", 1), numbered("me.mp4", 2), numbered("v1.5 me", 3)
    ('me.mp4', 'me (2).mp4', 'v1.5 me (3)')
    """
    if number == 1:
        return name
    stem, suffix = stem_and_suffix(name)
    return f"{stem} ({number}){suffix}"


def without_number(name: str) -> str:
    """Return a file's name without the number of a copy.

    >>> without_number("wave/me (2).mp4"), without_number("me.mp4")
    ('wave/me.mp4', 'me.mp4')
    """
    stem, suffix = stem_and_suffix(name)
    return re.sub(r" \([0-9]+\)$", "", stem) + suffix


def stem_and_suffix(name: str) -> tuple[str, str]:
    """Return a name without the suffix of a video, and the suffix; other dots stay.

    >>> stem_and_suffix("a.b.AVI"), stem_and_suffix("a.b")
    (('a.b', '.AVI'), ('a.b', ''))
    """
    suffix = PurePosixPath(name).suffix
    return (name.removesuffix(suffix), suffix) if suffix.lower() in VIDEO_SUFFIXES else (name, "")


def first_few(names: Iterable[str], limit: int = 5) -> str:
    """Return the first names of a list, and the number of the others.

    >>> first_few(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    listed = list(names)
    omitted = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {omitted} more" if omitted > 0 else "")


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
        Each clip once, in the order of the arguments; clips of one folder in natural order.

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
        path = existing(user_path(argument, DataError))
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
    if names := dict.fromkeys(map(str, ignored)):
        warn(f"ignored, images in a folder that has other clips: {first_few(names)}")


def matching(path: Path) -> list[Path]:
    """Return the files and folders that match a pattern, in natural order; else the path itself."""
    if os.path.exists(path) or not glob.has_magic(str(path)):
        return [path]
    pattern = _with_names(path)
    return [Path(name) for name in sorted(set(_matches(pattern)), key=natural_key)]


def _with_names(path: Path) -> str:
    """Return a pattern in which names of existing folders are escaped, such as ``clips [1]``."""
    named, parts = Path(), list(path.parts)
    for i, part in enumerate(path.parts):
        named = named / part
        if not os.path.lexists(named):
            break
        parts[i] = glob.escape(part)
    return str(Path(*parts))


def _expand(path: Path, ignored: list[Path]) -> Iterator[Path]:
    if os.path.isdir(path):
        yield from clips_below(path, ignored)
    elif (matches := matching(path)) == [path]:
        yield path
    else:
        for match in matches:
            if is_saved_model(match):
                continue
            if match.is_dir():
                yield from clips_below(match, ignored)
            elif is_clip(match):
                yield match


def is_clip(path: Path) -> bool:
    """Return whether a path has a video's extension or is a folder of numbered images.

    A broken link to a video counts: the error comes when it is read.
    """
    if path.is_dir():
        return next(clips_below(path), None) == path
    return _is_video(path)


def is_features(path: str | Path) -> bool:
    """Return whether a path is a file of features by its extension, or has poses by its content."""
    suffix = Path(path).suffix.lower()
    if suffix == ".npz" or (suffix in VIDEO_SUFFIXES and not os.path.isdir(path)):
        return suffix == ".npz"
    from fewact.data.poses import is_poses

    return is_poses(path)


def check_one_clip(path: Path) -> None:
    """Raise a ``VideoError`` for a folder of clips where one clip is expected."""
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
    """Yield the files and folders of a pattern; ``**`` finds each folder once, unlike ``glob``."""
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
    """Return the device and number of a folder, which all its names share."""
    with reading(folder):
        status = folder.stat()
    return status.st_dev, status.st_ino


def _real(clip: Path, folders: dict[Path, str]) -> str:
    """Return the path of a clip without links; ``folders`` has the paths of folders."""
    if clip.is_symlink():
        return os.path.realpath(clip)
    parent = clip.parent
    if parent not in folders:
        folders[parent] = os.path.realpath(parent)
    return os.path.join(folders[parent], clip.name)


def existing(path: Path) -> Path:
    """Return a path, or the existing one whose name is equal in Unicode normal form C.

    Names of macOS have accents as separate characters, those of tables mostly not.
    """
    if path.name.isascii() or os.path.lexists(path):
        return path
    folder = existing(path.parent)
    try:
        names = _names_by_form(folder, folder.stat().st_mtime_ns)
    except OSError:
        return path
    return folder / names.get(unicodedata.normalize("NFC", path.name), path.name)


@lru_cache(maxsize=64)
def _names_by_form(folder: Path, changed: int) -> dict[str, str]:
    """Return the names in a folder by their form C; ``changed`` is when the folder changed."""
    names = sorted(os.listdir(folder))
    return {unicodedata.normalize("NFC", name): name for name in names if not name.isascii()}


def find_recording(folder: Path, name: str) -> Path:
    """Return the file of a recording that a table names; the path in its folder if there is none.

    A name is relative to the table, as on Windows or here. Files that have moved are searched
    beside the table. A name without an extension, as in ActivityNet, means the only video there
    that begins with it.
    """
    local = name.replace("\\", "/")
    paths = [folder / name, folder / local, folder / Path(local).name]
    if not stem_and_suffix(local)[1] and folder.is_dir():
        stem = unicodedata.normalize("NFC", Path(local).name)
        beside = [
            entry
            for entry in entries(folder)
            if unicodedata.normalize("NFC", stem_and_suffix(entry.name)[0]) == stem
        ]
        paths += beside if len(beside) == 1 else []
    named = (path for path in map(existing, paths) if os.path.isfile(path))
    return next(named, paths[0])


@lru_cache(maxsize=256)
def timeline_or_none(path: Path) -> "Timeline | None":
    """Return the times of the frames of a recording; None if it cannot be read."""
    from fewact.video.reading import timeline_of

    try:
        return timeline_of(path)
    except (VideoError, DataError):
        return None
