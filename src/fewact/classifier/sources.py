"""Read every source of clips that a user can pass into one list."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fewact.classifier.prediction import NONE, display_name
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
from fewact.data.files import legible
from fewact.errors import DataError, did_you_mean
from fewact.io.bounded import user_path

ClipLike = str | Path | AnyClip
Source = ClipLike | Iterable[ClipLike]


def as_clip(clip: ClipLike) -> AnyClip:
    """Return a path as a clip of the entire file, a clip unchanged."""
    return clip if isinstance(clip, AnyClip) else Clip(Path(clip))


def labelled(
    source: Source, labels: Sequence[str] | None, none: Source | None = None
) -> tuple[list[AnyClip], list[str]]:
    """Return training clips and their names, then the clips of no class, with the label ``none``.

    Args:
        source: Folder of class folders, table, file of features, or list of clips.
        labels: Class of each clip of a list; None if the source has the classes.
        none: More clips of no class, as for ``of_class``.

    Returns:
        Clips, and the name of each relative to the source.

    Raises:
        DataError: The source cannot be read, or a label is missing, superfluous or invalid.
    """
    root = None
    if isinstance(source, str | Path):
        if labels is not None:
            raise DataError("a folder, table or file has its own labels", where="labels")
        clips, root = _stored(user_path(source, DataError))
    else:
        clips = [source] if isinstance(source, AnyClip) else [as_clip(clip) for clip in source]
    if labels is not None and len(labels) != len(clips):
        raise DataError(
            "each clip needs one label",
            where="labels",
            got=str(len(labels)),
            expected=str(len(clips)),
        )
    if labels is not None:
        clips = [replace(clip, label=label) for clip, label in zip(clips, labels, strict=True)]
    clips = [_without_class(c) if is_background(c.label or "") else c for c in clips]
    found, names = _named(clips, root)
    if none is None:
        return found, names
    more, more_names = of_class(none, BACKGROUND)
    return found + more, names + more_names


def _stored(path: Path) -> tuple[list[AnyClip], Path | None]:
    """Return the clips of a folder, table or file of features, and what names are relative to."""
    if is_features(path):
        examples = labelled_features(path)
        return [*examples, *labelled_features(path, background=True)], None
    if path.is_file():
        return [*read_table(path), *read_table(path, background=True)], path.parent
    examples_of_folder = list_clips(path)
    return [*examples_of_folder, *map(_without_class, list_background(path))], path


def _without_class(clip: AnyClip) -> AnyClip:
    return replace(clip, label=BACKGROUND)


def of_class(source: Source, label: str) -> tuple[list[AnyClip], list[str]]:
    """Return clips of one class and their names, as if they were in a folder of its name.

    Args:
        source: Clip, path, folder or pattern, or several of them. A file of features stands for
            all its rows.
        label: Class of the clips.

    Raises:
        DataError: No clips are found.
    """
    several = [source] if isinstance(source, ClipLike) else list(source)
    clips: list[AnyClip] = []
    for one in several:
        if isinstance(one, AnyClip):
            clips.append(one)
        else:
            clips += read_features(one) if is_features(one) else map(Clip, expand_paths([one]))
    if not clips:
        raise DataError("no training clips", where=f'class "{label}"')
    return _named([replace(clip, label=label) for clip in clips], None, below=f"{label}/")


def check_label(label: str) -> str:
    """Return the name of a class in Unicode normal form C.

    Raises:
        DataError: The name is empty, has a line break, or is reserved for clips of no class.
    """
    name = unicodedata.normalize("NFC", label)
    if not name.strip() or not name.isprintable():
        raise DataError("not a class name", got=repr(label), expected="printable text")
    if is_background(name) or name == NONE:
        raise DataError(f'"{name}" is reserved for clips of no class', got=repr(label))
    return name


def existing_class(name: str, classes: Sequence[str]) -> str:
    """Return the name of an existing class in Unicode normal form C.

    Raises:
        DataError: There is no such class.
    """
    name = check_label(name)
    if name not in classes:
        raise DataError(
            "unknown class",
            got=repr(name),
            expected=", ".join(classes),
            hint=did_you_mean(name, classes),
        )
    return name


def _named(
    clips: Sequence[AnyClip], root: Path | None, below: str = ""
) -> tuple[list[AnyClip], list[str]]:
    known: set[tuple[str, float | None, float | None]] = set()
    checked: list[AnyClip] = []
    for clip in clips:
        if clip.label is None:
            raise DataError(
                "a training clip needs a label",
                where=display_name(clip),
                hint="Pass labels, or a folder with one subfolder of clips per class.",
            )
        file = os.path.realpath(clip.path) if isinstance(clip, Clip) else clip.name
        key = file, clip.start, clip.end
        if key in known:
            raise DataError("the clip appears twice", where=display_name(clip))
        known.add(key)
        label = clip.label if clip.label == BACKGROUND else check_label(clip.label)
        checked.append(replace(clip, label=label))
    files = [Path(os.path.abspath(clip.path)) for clip in checked if isinstance(clip, Clip)]
    names = (below + legible(name) for name in _names(files, root))
    return checked, [c.name if isinstance(c, FeatureClip) else next(names) for c in checked]


def _names(paths: list[Path], root: Path | None) -> list[str]:
    """Return each path relative to the source, or relative to the common folder of all.

    Models are shared, so a name must not reveal the folders of their owner.
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
