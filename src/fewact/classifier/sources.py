"""What a user may give as clips, turned into one list."""

import os
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fewact.classifier.prediction import display_name
from fewact.data import (
    BACKGROUND,
    AnyClip,
    Clip,
    FeatureClip,
    expand_paths,
    is_background,
    is_features,
    labelled_features,
    list_background,
    list_clips,
    read_features,
    read_table,
)
from fewact.errors import DataError

ClipLike = str | Path | AnyClip
Source = ClipLike | Iterable[ClipLike]


def as_clip(clip: ClipLike) -> AnyClip:
    """A path as a whole-file clip; a clip as it is."""
    return clip if isinstance(clip, AnyClip) else Clip(Path(clip))


def labelled(source: Source, labels: Sequence[str] | None) -> tuple[list[AnyClip], list[str]]:
    """Clips to teach, and what each is called.

    Args:
        source: A folder of class folders, a table, a file of features, or clips.
        labels: One for each clip of a list; None where the source says them.

    Returns:
        The clips, and the name of each below what was given.

    Raises:
        DataError: The source cannot be used, or labels are missing, too many or not accepted.
    """
    if isinstance(source, str | Path):
        if labels is not None:
            raise DataError("a folder, table or file says its labels itself", where="labels")
        place = Path(source).expanduser()
        if is_features(place):
            return _named(labelled_features(place), None)
        if place.is_file():
            return _named(read_table(place), place.parent)
        if background := list_background(place):
            warnings.warn(
                f"{place}: {len(background)} clips that show no class are not taught",
                category=UserWarning,
                stacklevel=4,
            )
        return _named(list_clips(place), place)
    clips = [source] if isinstance(source, AnyClip) else [as_clip(clip) for clip in source]
    if labels is not None and len(labels) != len(clips):
        raise DataError(
            "each clip has one label",
            where="labels",
            got=str(len(labels)),
            expected=str(len(clips)),
        )
    if labels is not None:
        clips = [replace(clip, label=label) for clip, label in zip(clips, labels, strict=True)]
    return _named(clips, None)


def of_class(source: Source, label: str) -> tuple[list[AnyClip], list[str]]:
    """Clips of one class, and what each is called: as if they lay in a folder of its name.

    Args:
        source: A clip, a path, a folder or a pattern, or several of them. A file of features stands
            for all its rows.
        label: Their class.

    Raises:
        DataError: Nothing is found.
    """
    several = [source] if isinstance(source, ClipLike) else list(source)
    clips: list[AnyClip] = []
    for one in several:
        if isinstance(one, AnyClip):
            clips.append(one)
        else:
            clips += read_features(one) if is_features(one) else map(Clip, expand_paths([one]))
    if not clips:
        raise DataError("there are no clips to teach", where=f'class "{label}"')
    return _named([replace(clip, label=label) for clip in clips], None, below=f"{label}/")


def check_label(label: str) -> str:
    """A class's name, with its accents composed.

    Raises:
        DataError: It is empty, has a line break, or is the name kept for clips of no class.
    """
    name = unicodedata.normalize("NFC", label)
    if not name.strip() or not name.isprintable():
        raise DataError("not a name for a class", got=repr(label), expected="printable text")
    if is_background(name):
        raise DataError(f'"{BACKGROUND}" is kept for clips that show no class', got=repr(label))
    return name


def _named(
    clips: Sequence[AnyClip], root: Path | None, below: str = ""
) -> tuple[list[AnyClip], list[str]]:
    seen: set[tuple[str, float | None, float | None]] = set()
    checked: list[AnyClip] = []
    for clip in clips:
        if clip.label is None:
            raise DataError(
                "a clip without a label cannot be taught",
                where=display_name(clip),
                hint="Pass labels, or a folder that holds a folder of clips for each class.",
            )
        place = os.path.realpath(clip.path) if isinstance(clip, Clip) else clip.name
        key = place, clip.start, clip.end
        if key in seen:
            raise DataError("the same clip is given twice", where=display_name(clip))
        seen.add(key)
        checked.append(replace(clip, label=check_label(clip.label)))
    files = [Path(os.path.abspath(clip.path)) for clip in checked if isinstance(clip, Clip)]
    names = (below + name for name in _names(files, root))
    return checked, [c.name if isinstance(c, FeatureClip) else next(names) for c in checked]


def _names(paths: list[Path], root: Path | None) -> list[str]:
    """Each path below what was given, or below the folder that all share.

    A model is passed on: it must not tell where in its owner's files the clips lay.
    """
    above = None if root is None else Path(os.path.abspath(root))
    if above is None or not all(path.is_relative_to(above) for path in paths):
        try:
            above = Path(os.path.commonpath([path.parent for path in paths]))
        except ValueError:  # different drives
            return [path.name for path in paths]
        if above != Path.home() and Path.home().is_relative_to(above):
            return [path.name for path in paths]
    return [path.relative_to(above).as_posix() for path in paths]
