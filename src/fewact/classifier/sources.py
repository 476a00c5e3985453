"""Read every source of clips that a user can pass into one list."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from fewact.classifier.inputs import ClipLike, as_clip, as_list
from fewact.classifier.labels import check_label
from fewact.classifier.prediction import display_name
from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data import (
    BACKGROUND,
    AnyClip,
    Clip,
    FeatureClip,
    clips_of_no_class,
    expand_paths,
    is_background,
    is_features,
    is_table,
    labelled_features,
    list_background,
    list_clips,
    read_features,
    read_table,
)
from fewact.data.files import legible, no_clips

Source: TypeAlias = ClipLike | Iterable[ClipLike]
"""Clips of one class: a clip, a folder or a pattern, or several of them."""

LabelledSource: TypeAlias = Source | Mapping[str, Source] | Mapping[int, Source]
"""Clips of several classes: a folder of class folders, a table, a file of features, a list of
clips, or the clips of each class by its name."""


def labelled(
    source: LabelledSource, labels: Sequence[str] | None, none: Source | None = None
) -> tuple[list[AnyClip], list[str]]:
    """Return training clips and their names; clips of no class have the label ``none``.

    Args:
        source: Folder of class folders, table, file of features, list of clips, or the clips of
            each class by its name.
        labels: Class of each clip of a list; None if the source has the classes.
        none: More clips of no class, as for ``of_class``.

    Returns:
        Clips in the order of the source, then those of ``none``; and the name of each relative to
        the source.

    Raises:
        DataError: The source cannot be read, or a label is missing, superfluous or invalid.
    """
    root = None
    if isinstance(source, Mapping | str | os.PathLike) and labels is not None:
        raise DataError("a folder, table, file or dictionary has its own labels", where="labels")
    if isinstance(source, Mapping):
        return _together([*(of_class(clips, str(label)) for label, clips in source.items())], none)
    if isinstance(source, str | os.PathLike):
        clips, root = _stored(user_path(source, DataError))
    else:
        clips = [as_clip(clip) for clip in as_list(source)[0]]
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
    return _together([_named(clips, root)], none)


def _together(
    parts: list[tuple[list[AnyClip], list[str]]], none: Source | None
) -> tuple[list[AnyClip], list[str]]:
    """Return the clips and names of all parts, in order.

    Raises:
        DataError: A clip appears twice.
    """
    outside = [] if none is None else as_list(none)[0]
    if outside:
        parts = [*parts, of_class(outside, BACKGROUND)]
    clips = [clip for clips, _ in parts for clip in clips]
    _refuse_repeats(clips)
    return clips, [name for _, names in parts for name in names]


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
            all its rows, a table for its rows of the class. The folders in a folder of clips of no
            class are groups.
        label: Class of the clips; ``none``, in any case, if they belong to no class.

    Raises:
        DataError: A folder or pattern has no clips, or no clip exists.
    """
    label = BACKGROUND if is_background(label) else check_label(label)
    clips: list[AnyClip] = []
    for given_clip in as_list(source)[0]:
        if isinstance(given_clip, str | os.PathLike):
            clips += _of_path(user_path(given_clip, DataError), label)
        else:
            clips.append(as_clip(given_clip))
    if not clips:
        raise DataError("no training clips", where=f'class "{label}"')
    missing = [str(c.path) for c in clips if isinstance(c, Clip) and not os.path.exists(c.path)]
    if len(missing) == len(clips):
        raise no_clips(missing)
    named = _named([replace(clip, label=label) for clip in clips], None, below=f"{label}/")
    _refuse_repeats(named[0])
    return named


def _of_path(path: Path, label: str) -> Sequence[AnyClip]:
    """Return the clips that a path names, with their groups if these are known."""
    if is_features(path):
        return read_features(path)
    if is_table(path):
        return _of_table(path, label)
    if label == BACKGROUND and path.is_dir():
        outside = clips_of_no_class(path)
        if not outside:
            raise no_clips([str(path)])
        return outside
    return [Clip(clip) for clip in expand_paths([path], may_be_missing=True)]


def _of_table(table: Path, label: str) -> list[Clip]:
    """Return the clips of one class of a table.

    Raises:
        DataError: No row has the class.
    """
    if label == BACKGROUND:
        clips = read_table(table, background=True)
    else:
        clips = [clip for clip in read_table(table) if clip.label == label]
    if not clips:
        raise DataError("no row has this label", where=str(table), got=repr(label))
    return clips


def _named(
    clips: Sequence[AnyClip], root: Path | None, below: str = ""
) -> tuple[list[AnyClip], list[str]]:
    checked: list[AnyClip] = []
    for clip in clips:
        if clip.label is None:
            raise DataError(
                "a training clip needs a label",
                where=display_name(clip),
                hint="Pass labels, or a folder with one subfolder of clips per class.",
            )
        label = clip.label
        if label != BACKGROUND:
            label = check_label(label, where=display_name(clip))
        checked.append(replace(clip, label=label))
    files = [Path(os.path.abspath(clip.path)) for clip in checked if isinstance(clip, Clip)]
    names = (below + legible(name) for name in _names(files, root))
    return checked, [
        next(names) if isinstance(c, Clip) else legible(display_name(c)) for c in checked
    ]


def _refuse_repeats(clips: Iterable[AnyClip]) -> None:
    titles: dict[tuple[str, float | None, float | None], str] = {}
    for clip in clips:
        if isinstance(clip, Clip):
            key = os.path.realpath(clip.path)
        else:
            key = clip.name if isinstance(clip, FeatureClip) else clip.fingerprint()
        name, place = display_name(clip), (key, clip.start, clip.end)
        if place in titles:
            raise DataError(
                "the clip appears twice", where=name, got=f"the same as {titles[place]}"
            )
        titles[place] = name


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
