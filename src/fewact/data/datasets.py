"""Lists of your own clips, from a folder or a table."""

from pathlib import Path

from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.class_folders import list_clips
from fewact.data.files import entries
from fewact.data.groups_and_splits import (
    GroupScopeOption,
    check_splits,
    read_split,
    resolve_groups,
)
from fewact.data.paths import is_clip
from fewact.data.table import COLUMNS, read_rows
from fewact.data.videos import SPLITS, Split, Video, VideoList


class FolderDataset:
    """Folder of class folders, or folder with such folders called train, val and test.

    Ids are paths relative to the folder. There are no groups.

    Args:
        root: Folder.

    Attributes:
        videos: List of the clips.

    Raises:
        DataError: As for ``list_clips``.
    """

    videos: VideoList

    def __init__(self, root: str | Path) -> None:
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
        self.videos = VideoList(folder.resolve().name, tuple(videos))


class TableDataset:
    """Table with the columns path and label; optional: split, group, start and end.

    Ids are the paths as written in the table, with the start and end of a segment.

    Args:
        table: Table, see ``read_table``.
        groups: Scope of the group names, or ``auto``, see ``resolve_groups``.

    Attributes:
        videos: List of the clips.

    Raises:
        DataError: As for ``read_table``; a split is unknown; only some clips have a split or a
            group.
    """

    videos: VideoList

    def __init__(self, table: str | Path, *, groups: GroupScopeOption = "auto") -> None:
        file = user_path(table, DataError)
        videos = []
        for clip, row in read_rows(file, (*COLUMNS, "split")):
            id = row["path"]
            if clip.start is not None or clip.end is not None:
                id += f"#{row['start']}-{row['end']}"
            split = read_split(row["split"], where=f"{file}, {id}")
            videos.append(Video(id, clip.label or "", split, clip.group, clip))
        check_splits(videos, where=str(file))
        scope = resolve_groups(videos, groups, where=str(file))
        self.videos = VideoList(file.stem, tuple(videos), scope)


def _list(root: Path, folder: Path, split: Split | None) -> list[Video]:
    return [
        Video(clip.path.relative_to(root).as_posix(), clip.label or "", split, None, clip)
        for clip in list_clips(folder)
    ]


def _has_class_folders(folder: Path) -> bool:
    """Return whether a folder contains folders of clips, not clips."""
    return any(entry.is_dir() and not is_clip(entry) for entry in entries(folder))
