"""Lists of the user's videos: class folders and tables, with splits and groups."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from fewact.core.errors import DataError, OptionError, warn
from fewact.core.paths import user_path
from fewact.data.class_folders import list_clips
from fewact.data.clips import BACKGROUND, is_background
from fewact.data.files import entries, first_few, is_clip
from fewact.data.tables import CLIP_COLUMNS, clips_and_cells
from fewact.data.videos import SPLITS, GroupScope, Split, Video, VideoList

LIST_COLUMNS: Final = CLIP_COLUMNS.and_column("split")

GroupScopeOption = GroupScope | Literal["auto"]
"""Scope of group names, or ``auto`` to choose it from the data."""


def list_folder(root: str | Path) -> VideoList:
    """Return the videos of a folder of class folders, or of folders train, val and test of such.

    Ids are paths relative to the folder; there are no groups. For errors see ``list_clips``.
    """
    folder = user_path(root, DataError)
    below = [entry for entry in entries(folder) if entry.is_dir()] if folder.is_dir() else []
    parts = {entry.name.casefold(): entry for entry in below}
    # Classes may have these names too: then their folders contain clips, not folders.
    if not parts or set(parts) - set(SPLITS) or not all(map(_has_class_folders, below)):
        videos = _list(folder, folder, None)
    else:
        videos = [
            video
            for split in SPLITS
            if split in parts
            for video in _list(folder, parts[split], split)
        ]
    return VideoList(folder.resolve().name, tuple(videos))


def _list(root: Path, folder: Path, split: Split | None) -> list[Video]:
    return [
        Video(clip.path.relative_to(root).as_posix(), clip.label or "", split, None, clip)
        for clip in list_clips(folder)
    ]


def _has_class_folders(folder: Path) -> bool:
    return any(entry.is_dir() and not is_clip(entry) for entry in entries(folder))


def list_table(table: str | Path, *, groups: GroupScopeOption = "auto") -> VideoList:
    """Return the videos of a table, see ``read_table``; a column may be their split.

    Ids are the paths as written in the table, with the start and end of a segment and the box.

    Args:
        table: Table.
        groups: Scope of the group names, or ``auto``, see ``make_list``.
    """
    file = user_path(table, DataError)
    videos, outside = [], []
    for clip, row in clips_and_cells(file, LIST_COLUMNS):
        id = row["path"]
        if clip.start is not None or clip.end is not None:
            id += f"#{row['start']}-{row['end']}"
        if clip.box is not None:
            id += f"@{','.join(f'{side:g}' for side in clip.box)}"
        if is_background(clip.label or ""):
            outside.append(id)
            continue
        split = read_split(row["split"], where=f"{file}, {id}")
        videos.append(Video(id, clip.label or "", split, clip.group, clip))
    name_left_out(str(file), outside)
    return make_list(file.stem, videos, groups, where=str(file))


def name_left_out(where: str, ids: Sequence[str]) -> None:
    """Warn of clips that are not in a list, because they belong to no class."""
    if ids:
        warn(
            f'{where}: left out, rows of the label "{BACKGROUND}": {len(ids)} ({first_few(ids, 3)})'
        )


def make_list(
    name: str, videos: Sequence[Video], groups: GroupScopeOption, *, where: str
) -> VideoList:
    """Return a list of videos that have all a split, or none; ``where`` is for errors.

    With ``auto`` the scope of the groups is ``shared`` if a group name occurs in several classes,
    as for persons. It is ``within-class`` if each name occurs in one class only, and ``none`` if
    there are no groups. A scope that is too wide costs nothing. One that is too narrow lets a
    person be in the query of one class and in the support of another, which lowers the accuracy
    below chance.

    Raises:
        OptionError: The scope does not exist.
        DataError: A video has no split, and others have one; or it has no group, and others have
            one or groups were requested.
    """
    without = [video.id for video in videos if video.split is None]
    if 0 < len(without) < len(videos):
        raise DataError(
            "this clip has no split, others have",
            where=f"{where}, {without[0]}",
            expected="train, val or test in every row, or in none",
        )
    return VideoList(name, tuple(videos), _scope(videos, groups, where))


def _scope(videos: Sequence[Video], option: GroupScopeOption, where: str) -> GroupScope:
    if option not in ("auto", "none", "within-class", "shared"):
        raise OptionError(
            "unknown scope of groups",
            where="groups",
            got=repr(option),
            expected="auto, none, within-class, shared",
        )
    without = [video.id for video in videos if video.group is None]
    if option == "none" or (option == "auto" and len(without) == len(videos)):
        return "none"
    if without:
        raise DataError(
            "this clip has no group",
            where=f"{where}, {without[0]}",
            got=f"{len(without)} of {len(videos)} clips without one",
            expected="a column group with a name in each row",
            hint='Use groups="none" if clips need not be kept apart.',
        )
    classes: defaultdict[str | None, set[str]] = defaultdict(set)
    for video in videos:
        classes[video.group].add(video.label)
    common = [str(group) for group, labels in classes.items() if len(labels) > 1]
    if option == "within-class" and common:
        warn(
            f"{where}: groups of several classes ({first_few(common, 3)}) are separated within "
            "each class only: a person can be in the support of one class and the query of "
            'another. Use groups="shared" unless a name means another group in each class.'
        )
    if option != "auto":
        return option
    return "shared" if common else "within-class"


def read_split(text: str, *, where: str) -> Split | None:
    """Return a split by its name in any case; None for an empty cell."""
    if not text:
        return None
    for split in SPLITS:
        if text.casefold() == split:
            return split
    raise DataError("unknown split", where=where, got=text, expected=", ".join(SPLITS))
