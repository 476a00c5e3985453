"""A user's own clips as a list that episodes are drawn from."""

from pathlib import Path

from fewact.data.benchmarks import SPLITS
from fewact.data.files import entries, is_clip
from fewact.data.folder import list_clips
from fewact.data.grouping import Wanted, check_splits, choose_groups, read_split
from fewact.data.table import COLUMNS, read_rows
from fewact.data.videos import Split, Video, VideoList


class FolderDataset:
    """A folder of class folders, or one that holds such folders called train, val and test.

    Ids are paths below the folder. Groups are not known.

    Args:
        root: The folder.

    Attributes:
        videos: The clips as a list.

    Raises:
        DataError: As in ``list_clips``.
    """

    videos: VideoList

    def __init__(self, root: str | Path) -> None:
        folder = Path(root).expanduser()
        below = [entry for entry in entries(folder) if entry.is_dir()] if folder.is_dir() else []
        parts = {entry.name.casefold(): entry for entry in below}
        # Classes may be called so, too: then their folders hold clips, not folders.
        if not parts or set(parts) - set(SPLITS) or not all(map(_holds_classes, below)):
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
    """A table with the columns path, label, and if wanted split, group, start and end.

    Ids are the paths as they stand in the table, with the stretch where there is one.

    Args:
        table: The table, as in ``read_table``.
        groups: How groups are kept apart, as in ``choose_groups``.

    Attributes:
        videos: The clips as a list.

    Raises:
        DataError: As in ``read_table``; a split of another name; some clips without a split or
            group where others have one.
    """

    videos: VideoList

    def __init__(self, table: str | Path, *, groups: Wanted = "auto") -> None:
        file = Path(table).expanduser()
        videos = []
        for clip, row in read_rows(file, (*COLUMNS, "split")):
            id = row["path"]
            if clip.start is not None or clip.end is not None:
                id += f"#{row['start']}-{row['end']}"
            split = read_split(row["split"], where=f"{file}, {id}")
            videos.append(Video(id, clip.label or "", split, clip.group, clip))
        check_splits(videos, where=str(file))
        mode = choose_groups(videos, groups, where=str(file))
        self.videos = VideoList(file.stem, tuple(videos), mode)


def _list(root: Path, folder: Path, split: Split | None) -> list[Video]:
    return [
        Video(clip.path.relative_to(root).as_posix(), clip.label or "", split, None, clip)
        for clip in list_clips(folder)
    ]


def _holds_classes(folder: Path) -> bool:
    """Whether a folder holds folders of clips rather than clips."""
    return any(entry.is_dir() and not is_clip(entry) for entry in entries(folder))
