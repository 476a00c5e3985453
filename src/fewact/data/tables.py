"""Tables of clips, with a header and one clip per row; and of precomputed features of clips."""

import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.arrays import read_array
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import DataError, SkippedWarning, did_you_mean, warn
from fewact.core.paths import user_path
from fewact.data.cells import delimiter_of, is_number, seconds, table_rows
from fewact.data.clips import (
    BACKGROUND,
    UNUSABLE_FEATURES,
    USABLE_FEATURES,
    Clip,
    FeatureClip,
    as_box,
    is_background,
    usable_features,
)
from fewact.data.files import first_few
from fewact.data.joints import parse_joints
from fewact.data.poses import is_poses, labelled_poses, read_poses
from fewact.data.videos import GroupScopeOption, Video, VideoList, make_list, read_split
from fewact.recordings.formats import (
    SUFFIXES,
    Event,
    EventTable,
    find_recording,
    is_event_file,
    read_events,
    timeline_or_none,
)
from fewact.recordings.formats.event import SIDES, by_recording

if TYPE_CHECKING:
    from fewact.video.track import Box

REQUIRED = ("path", "label")
COLUMNS = (*REQUIRED, "start", "end", "group", "box", *SIDES, "subject")
NEVER_MISSPELT = (*SIDES, "subject")
"""Columns of so common names that others may begin with them."""

EXPECTED = (
    "a header with path and label; optional: start, end, group, subject, and box, or x, y, w and h"
)
BOX_EXPECTED = (
    "left, top, width and height in pixels of the picture as displayed, such as 310,80,90,200; or "
    "in the column box a table of boxes with frame, id, x, y, w and h"
)
TABLE = FileType(
    "table",
    DataError,
    256 * MIB,
    EXPECTED,
    'In a spreadsheet, save it as "CSV UTF-8". Features are read from an .npz file.',
)
SHOWN = 40
"""Characters of a cell that an error quotes."""


def is_table(path: str | Path) -> bool:
    """Return whether a path has the extension of a table, or of a file of events."""
    return Path(path).suffix.lower() in SUFFIXES


def read_table(path: str | Path, *, background: bool = False) -> list[Clip]:
    """Return the clips of a table with the columns path and label.

    Optional columns are start, end and group. Where several people are in view, box, or x, y, w and
    h, say who is meant: in pixels; or box is a table of boxes, see ``read_tracks``, and subject the
    id there. Others are ignored. Cells are separated by commas,
    semicolons or tabs; the text is UTF-8. Relative paths start at the table's folder. Times are in
    seconds, ``mm:ss`` or ``hh:mm:ss``; an empty time means the start or end of the file. Rows with
    the label ``none`` belong to no class. A missing file raises an error when it is read, or here
    if all files are missing. Files of events, see ``fewact.recordings.formats``, are read, too: their rows
    that cannot be used are skipped with a warning.

    Args:
        path: Table.
        background: Return the clips of no class instead of those of classes.

    Raises:
        DataError: The table does not exist or has no clips, or a row is invalid.
    """
    return [clip for clip, _ in read_rows(path, background=background)]


def read_rows(
    path: str | Path, columns: Sequence[str] = COLUMNS, *, background: bool = False
) -> list[tuple[Clip, dict[str, str]]]:
    """Return the clips of a table, see ``read_table``, each with the cells of these columns."""
    rows = _every_row(user_path(path, DataError), columns)
    return [(clip, row) for clip, row in rows if is_background(clip.label or "") == background]


def _every_row(table: Path, columns: Sequence[str]) -> list[tuple[Clip, dict[str, str]]]:
    """Return the clips of classes and those of no class."""
    if is_event_file(table):
        clips, skipped = event_clips(table)
        for row in skipped:
            warn(f"skipped: {row}", SkippedWarning)
        rows = [(clip, _cells_of(clip, columns)) for clip in clips]
    else:
        rows = _clip_rows(table, columns)
    if not rows:
        raise DataError("the table lists no clips", where=str(table), expected=EXPECTED)
    if not any(clip.path.exists() for clip, _ in rows):
        raise DataError(
            "none of the table's clips exist",
            where=str(table),
            got=f"first clip: {rows[0][0].path}",
            hint="Relative paths start at the table's folder.",
        )
    return rows


def _clip_rows(table: Path, columns: Sequence[str]) -> list[tuple[Clip, dict[str, str]]]:
    rows: list[tuple[Clip, dict[str, str]]] = []
    lines: dict[Clip, int] = {}
    for line, row in rows_of(table, TABLE.text(table), columns):
        where = f"{table}, line {line}"
        clip = _clip(table.parent, where, row)
        segment = Clip(clip.path, start=clip.start, end=clip.end, box=clip.box)
        if segment in lines:
            raise DataError(
                f"the same clip as in line {lines[segment]}",
                where=where,
                got=row["path"],
                expected="each segment of a file once, or with another box",
            )
        lines[segment] = line
        rows.append((clip, row))
    return rows


def event_clips(path: str | Path, *, only: str | None = None) -> tuple[list[Clip], list[str]]:
    """Return the clips of a file of events, and a sentence for each row that is skipped.

    Skipped are rows that name no video or one that does not exist, and all rows of a segment that
    has several labels.

    Args:
        path: File of events.
        only: Class to teach against the rest: other events are of the class ``not …``, unless
            this one is performed meanwhile. None for all classes.

    Raises:
        DataError: The file cannot be read, or no row can be used.
    """
    table = read_events(path)
    skipped = list(table.skipped)
    segments: dict[Clip, list[tuple[str, str]]] = {}
    for where, event in table.rows if only is None else _against_rest(table, only):
        file = find_recording(table.path.parent, event.recording) if event.recording else None
        if file is None or not os.path.exists(file):
            named = f"there is no video {event.recording}" if file else "it names no video"
            skipped.append(f"{table.path}, {where}: {named}")
            continue
        times = (event.start or None, None if math.isinf(event.end) else event.end)
        segment = Clip(file, None, *times, box=as_box(event.box, where))
        segments.setdefault(segment, []).append((where, str(event.label)))
    clips = []
    for segment, rows in segments.items():
        labels = {label for _, label in rows}
        if len(labels) == 1:
            clips.append(replace(segment, label=rows[0][1]))
        repeated = rows[1:] if len(labels) == 1 else rows
        fault = f"the same segment as {rows[0][0]}"
        if len(labels) > 1:
            fault = f"its segment has several labels: {', '.join(sorted(labels))}"
        skipped += (f"{table.path}, {where}: {fault}" for where, _ in repeated)
    if not clips:
        raise DataError(
            "no row of the file can be used",
            where=str(table.path),
            got=skipped[0] if skipped else "no events",
            expected="states with a start, an end and a video",
        )
    return clips, skipped


def _against_rest(table: EventTable, only: str) -> Iterator[tuple[str, Event]]:
    """Yield the events of a class, and others that overlap none of them as the class ``not …``."""
    labels = {str(event.label) for event in table.events}
    if only not in labels:
        raise DataError(
            "the file has no event of this class",
            where=str(table.path),
            got=repr(only),
            expected=", ".join(sorted(labels)),
        )
    own = by_recording(event for event in table.events if str(event.label) == only)
    segments = set()
    for where, event in table.rows:
        segment = event.recording, event.start, event.end
        beside = (e.start < event.end and event.start < e.end for e in own.get(event.recording, ()))
        if str(event.label) == only:
            yield where, event
        elif segment not in segments and not any(beside):
            segments.add(segment)
            yield where, replace(event, label=f"not {only}")


def _cells_of(clip: Clip, columns: Sequence[str]) -> dict[str, str]:
    """Return the cells of a table of clips for a clip of an event."""
    times = {"start": clip.start, "end": clip.end}
    cells = {name: "" if time is None else f"{time:g}" for name, time in times.items()}
    cells |= {"path": clip.path.name, "label": clip.label or ""}
    return {column: cells.get(column, "") for column in columns}


def rows_of(
    table: Path,
    text: str,
    readable: Sequence[str],
    *,
    required: Sequence[str] = REQUIRED,
    expected: str = EXPECTED,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield for each row its first line number and its stripped cells by column.

    See ``check_header`` for the columns.
    """
    columns: list[str] | None = None
    for line, cells in table_rows(table, text, delimiter_of(text, readable)):
        where = f"{table}, line {line}"
        if columns is None:
            columns = check_header(where, cells, readable, required=required, expected=expected)
            continue
        if any(cells[len(columns) :]):
            raise DataError(
                "more cells than columns",
                where=where,
                got=str(len(cells)),
                expected=str(len(columns)),
                hint="Put a cell that contains a separator into double quotes.",
            )
        row = dict(zip(columns, cells, strict=False))
        yield line, {column: row.get(column, "") for column in readable}
    if columns is None:
        raise DataError("the table is empty", where=str(table), expected=expected)


def check_header(
    where: str,
    cells: Sequence[str],
    readable: Sequence[str],
    *,
    required: Sequence[str] = REQUIRED,
    expected: str = EXPECTED,
) -> list[str]:
    """Return the names of a table's columns in lower case.

    Refused are a table without a required column, a name that looks like that of a missing column,
    and two columns of one name; ``where`` and ``expected`` are for the error.
    """
    columns = [cell.casefold() for cell in cells]
    for name in required:
        if name not in columns:
            near = next((c for c in columns if c not in readable and did_you_mean(name, [c])), "")
            raise DataError(
                f'there is no column "{name}"',
                where=where,
                got=first_few(cell[:SHOWN] for cell in cells),
                expected=expected,
                hint=f'Rename the column "{near}".' if near else "",
            )
    absent = [c for c in readable if c not in columns and c not in NEVER_MISSPELT]
    for column in columns:
        if column in readable and columns.count(column) > 1:
            raise DataError(f'two columns have the name "{column}"', where=where)
        # A misspelt column would be ignored, and full files used instead of segments.
        for name in absent:
            if column.startswith(name) or did_you_mean(column, [name]):
                raise DataError(
                    f'unknown column "{column}"',
                    where=where,
                    expected=expected,
                    hint=f'Did you mean "{name}"? Rename the column.',
                )
    return columns


def _clip(folder: Path, where: str, row: dict[str, str]) -> Clip:
    for required in REQUIRED:
        if not row[required]:
            raise DataError("the cell is empty", where=f'{where}, column "{required}"')
    start, end = (_seconds(f'{where}, column "{c}"', row[c]) for c in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DataError(
            "the clip ends before it starts",
            where=f'{where}, column "end"',
            got=f"{row['start'] or '0'} to {row['end']}",
        )
    path = folder / user_path(row["path"], DataError)
    if "\\" in row["path"] and not path.exists():  # a table written on Windows
        path = folder / row["path"].replace("\\", "/")
    label = unicodedata.normalize("NFC", row["label"])
    if not label.isprintable():
        raise DataError(
            "not a class name",
            where=f'{where}, column "label"',
            got=repr(label),
            expected="printable text",
            hint=f'Use "{BACKGROUND}" for clips of no class.',
        )
    clip = Clip(path, label, start, end, row["group"] or None)
    return replace(clip, box=_box(folder, where, row, clip))


def _box(folder: Path, where: str, row: dict[str, str], clip: Clip) -> "Box | None":
    """Return the box of a row; None if all of the picture is meant, or the video cannot be read."""
    sides = [row[side] for side in SIDES]
    if any(sides) and row["box"]:
        raise DataError("two boxes", where=where, expected="either box, or x, y, w and h")
    where += ', columns "x", "y", "w", "h"' if any(sides) else ', column "box"'
    cells = sides if any(sides) else re.split(r"[\s,;]+", row["box"])
    if not any(cells):
        return None
    if len(cells) == 1 and not is_number(cells[0]):
        return _box_of_table(where, folder / user_path(row["box"], DataError), row["subject"], clip)
    numbers = [float(cell) for cell in cells if is_number(cell)]
    return as_box(numbers, where, shown=", ".join(cells), expected=BOX_EXPECTED)


def _box_of_table(where: str, table: Path, subject: str, clip: Clip) -> "Box | None":
    """Return where a subject of a table of boxes is in a clip."""
    from fewact.data.tracks import read_tracks

    if not table.is_file():
        raise DataError(
            "neither a box nor a file", where=where, got=str(table)[-80:], expected=BOX_EXPECTED
        )
    timeline = timeline_or_none(clip.path)
    if timeline is None:  # its reader says why
        return None
    tracks = {track.subject: track for track in read_tracks(table, timeline.times)}
    start, end = clip.start or 0.0, clip.end or timeline.end
    if not subject and len(tracks) == 1:
        (subject,) = tracks
    if subject not in tracks:
        raise DataError(
            "no subject of the table of boxes"
            if subject
            else "several subjects, and none is named",
            where=f"{where}: {table}",
            got=subject,
            expected=f'one in the column "subject": {first_few(tracks)}',
        )
    track = tracks[subject]
    if track.end < start or track.start >= end:
        raise DataError(
            "the subject has no box in the clip",
            where=f"{where}: {table}",
            got=f"{subject}: {track.start:g} s to {track.end:g} s",
            expected=f"{start:g} s to {end:g} s",
        )
    return track.box(start, end)


def _seconds(where: str, text: str) -> float | None:
    if not text:
        return None
    time = seconds(text)
    if time is None:
        expected = "seconds, mm:ss or hh:mm:ss, such as 1:02.5"
        raise DataError("not a time", where=where, got=text, expected=expected)
    return time


def list_table(table: str | Path, *, groups: GroupScopeOption = "auto") -> VideoList:
    """Return the videos of a table, see ``read_table``; a column may be their split.

    Ids are the paths as written in the table, with the start and end of a segment and the box.

    Args:
        table: Table.
        groups: Scope of the group names, or ``auto``, see ``make_list``.
    """
    file = user_path(table, DataError)
    videos, outside = [], []
    for clip, row in _every_row(file, (*COLUMNS, "split")):
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


FEATURE_COLUMNS = ("clip", "class", "group", "split", "dataset")
LABELS_EXPECTED = "tab-separated columns clip and class; optional: group, split and dataset"
LABELS = FileType("table of labels", DataError, 256 * MIB, LABELS_EXPECTED)
FEATURES = FileType(
    "file of features",
    DataError,
    16 * GIB,
    "an .npz file with an array `features` (clips, t, d) of floating-point numbers",
)


def is_features(path: str | Path) -> bool:
    """Return whether a path is a file of features by its extension, or has poses by its content."""
    return Path(path).suffix.lower() == ".npz" or is_poses(path)


def read_features(file: str | Path, *, dataset: str | None = None) -> list[FeatureClip]:
    """Return the clips of a feature file; they need no class.

    Features that are not finite or too large are allowed, so that one bad clip does not stop the
    others.

    Args:
        file: Feature file (.npz), see ``FeatureDataset``. The .tsv file beside it needs only the
            column ``clip``; without it, clips are named by their numbers, from 0. Or a file or
            folder of poses, see ``fewact.data.poses``.
        dataset: Data set in the column ``dataset``; None for all rows.

    Raises:
        DataError: A file is missing or invalid, or there is no such data set.
    """
    path = user_path(file, DataError)
    if is_poses(path):
        return read_poses([path])
    table = path.with_suffix(".tsv")
    if dataset is None and not table.exists():
        stored, joints = _read_array(path)
        return [FeatureClip(str(i), row, joints=joints) for i, row in enumerate(stored)]
    stored, joints, rows = _read_features(path, "clip")
    numbers = range(len(rows)) if dataset is None else _chosen(table, rows, dataset)
    return _feature_clips(stored, joints, rows, numbers)


def labelled_features(
    file: str | Path, *, dataset: str | None = None, background: bool = False
) -> list[FeatureClip]:
    """Return the clips of a feature file that belong to a class.

    Args:
        file: As for ``read_features``, with the column ``class``. Rows without a label are ignored
            with a warning; rows with the label ``none`` belong to no class.
        dataset: Data set in the column ``dataset``; required if there are several.
        background: Return the clips of no class instead of those of classes.

    Raises:
        DataError: As for ``read_features``; no row has a class; no data set is chosen of several.
    """
    path = user_path(file, DataError)
    table = path
    if is_poses(path):
        clips = labelled_poses(path)
    else:
        table = path.with_suffix(".tsv")
        stored, joints, rows = _read_features(path, "clip", "class")
        clips = _feature_clips(stored, joints, rows, _chosen(table, rows, dataset))
    outside = [clip for clip in clips if is_background(clip.label or "")]
    if background:
        return outside
    examples = [clip for clip in clips if clip.label and not is_background(clip.label)]
    if not examples:
        raise _no_class(table)
    if ignored := len(clips) - len(examples) - len(outside):
        warn(f"{table}: ignored, clips without a class: {ignored}")
    return examples


class FeatureDataset:
    """Features in an .npz file with labels in a .tsv file of the same name beside it.

    The .npz file contains an array ``features`` (clips t d), floating-point; for skeletons and
    landmarks also a text ``joints``, their layout, see ``fewact.data.joints``. The .tsv file has a
    header and one row per clip, in the same order. Rows with the label ``none`` belong to no class
    and are not in the list. Pickled data is refused.

    Args:
        file: Feature file (.npz), or folder of poses in class folders.
        groups: Scope of the group names, or ``auto``, see ``make_list``.
        dataset: Data set in the column ``dataset``; required if there are several.

    Attributes:
        videos: List of the clips.
        features: Features (clips t d), float32, in the order of the list.
        joints: Layout of the joints of skeletons and landmarks; empty for other features.
        outside: Clips of no class.

    Raises:
        DataError: A file is missing or invalid, no row has a class, a feature is not finite or too
            large, or no data set is chosen of several.
    """

    videos: VideoList
    features: NDArray[np.float32]
    joints: str

    def __init__(
        self, file: str | Path, *, groups: GroupScopeOption = "auto", dataset: str | None = None
    ) -> None:
        path = user_path(file, DataError)
        table = path.with_suffix(".tsv")
        if is_poses(path):
            stored, self.joints, rows = _read_labelled(path)
        else:
            filled = ("clip", "class")
            stored, self.joints, rows = _read_features(path, *filled, filled=filled)
        positions = _chosen(table, rows, dataset)
        actions = [i for i in positions if not is_background(rows[i]["class"])]
        if not actions:
            raise _no_class(table)
        background = [i for i in positions if is_background(rows[i]["class"])]
        self.outside = _feature_clips(stored, self.joints, rows, background)
        videos = [
            Video(
                row["clip"],
                row["class"],
                read_split(row["split"], where=f"{table}, {row['clip']}"),
                row["group"] or None,
            )
            for row in (rows[i] for i in actions)
        ]
        name = f"{path.stem}:{dataset}" if dataset else path.stem
        self.videos = make_list(name, videos, groups, where=str(table))
        with np.errstate(over="ignore"):  # overflow is reported below, with its clip
            self.features = np.asarray(stored[actions], dtype=np.float32)  # (clips t d)
        bad = np.flatnonzero(~usable_features(self.features))
        if len(bad):
            raise DataError(
                UNUSABLE_FEATURES,
                where=str(path),
                got=first_few((videos[i].id for i in bad), 3),
                expected=USABLE_FEATURES,
            )
        self._row = {video.id: row for row, video in enumerate(videos)}

    def __iter__(self) -> Iterator[FeatureClip]:
        """Yield the clips of classes in the order of the list, then those of no class."""
        for video, vectors in zip(self.videos.videos, self.features, strict=True):
            yield FeatureClip(video.id, vectors, video.label, video.group, self.joints)
        yield from self.outside

    def of(self, videos: VideoList) -> NDArray[np.float32]:
        """Return the features (videos t d) of a list of these clips, in the order of the list."""
        unknown = [video.id for video in videos.videos if video.id not in self._row]
        if unknown:
            raise DataError(
                "has no features of these videos", where=self.videos.name, got=first_few(unknown)
            )
        return self.features[[self._row[video.id] for video in videos.videos]]


def _read_array(path: Path) -> tuple[NDArray[np.floating], str]:
    """Return the features (clips t d) of a file, and the layout of their joints, if any."""
    stored, names = read_array(FEATURES, path, "features")
    if stored is None:
        FEATURES.refuse(path, "there is no array `features`", first_few(names))
    if stored.ndim != 3 or not stored.size or stored.dtype.kind != "f":
        raise DataError(
            "invalid array of features",
            where=str(path),
            got=f"{stored.dtype} {stored.shape}",
            expected="(clips, t, d) floating-point, none empty",
            hint="For one vector per clip use t = 1: features[:, None]."
            if stored.ndim == 2
            else "",
        )
    layout = read_array(FEATURES, path, "joints")[0] if "joints" in names else None
    return np.asarray(stored), "" if layout is None else _layout(path, layout, stored.shape[-1])


def _layout(path: Path, stored: NDArray[Any], width: int) -> str:
    """Return the layout of joints that a file has beside vectors of length d."""
    layout = str(stored) if stored.ndim == 0 and stored.dtype.kind == "U" else repr(stored)
    expected = parse_joints(layout).width
    if expected != width:
        raise DataError(
            "the features have another width than their joints",
            where=str(path),
            got=f"width {width}",
            expected=f"{expected}: joints={layout}",
        )
    return layout


def _read_features(
    path: Path, *required: str, filled: Sequence[str] = ("clip",)
) -> tuple[NDArray[np.floating], str, list[dict[str, str]]]:
    """Return features (clips t d), their joints and rows; columns as for ``_label_rows``."""
    table = path.with_suffix(".tsv")
    stored, joints = _read_array(path)
    rows = _label_rows(table, required, filled)
    if len(rows) != len(stored):
        raise DataError(
            "the numbers of rows and clips differ",
            where=str(table),
            got=f"{len(rows)} rows for {len(stored)} clips in {path.name}",
        )
    return stored, joints, rows


def _read_labelled(path: Path) -> tuple[NDArray[np.floating], str, list[dict[str, str]]]:
    """Return what ``_read_features`` returns, of a folder of poses."""
    clips = labelled_poses(path)
    empty = dict.fromkeys(FEATURE_COLUMNS, "")
    rows = [
        {**empty, "clip": clip.name, "class": clip.label or "", "group": clip.group or ""}
        for clip in clips
    ]
    return np.stack([clip.vectors for clip in clips]), clips[0].joints, rows


def _feature_clips(
    stored: NDArray[np.floating],
    joints: str,
    rows: Sequence[Mapping[str, str]],
    positions: Iterable[int],
) -> list[FeatureClip]:
    return [
        FeatureClip(row["clip"], stored[i], row["class"] or None, row["group"] or None, joints)
        for i, row in ((i, rows[i]) for i in positions)
    ]


def _label_rows(
    table: Path, required: Sequence[str], filled: Sequence[str]
) -> list[dict[str, str]]:
    """Return the rows of a table with the required columns; filled columns have no empty cell."""
    lines = re.split(r"\r\n|\r|\n", LABELS.text(table))
    cut = ([cell.strip() for cell in line.split("\t")] for line in lines)
    numbered = [(n, cells) for n, cells in enumerate(cut, 1) if any(cells)] or [(1, [])]
    header = check_header(
        str(table), numbered[0][1], FEATURE_COLUMNS, required=required, expected=LABELS_EXPECTED
    )
    rows = []
    numbers: dict[str, int] = {}
    for number, line in numbered[1:]:
        row = dict.fromkeys(FEATURE_COLUMNS, "") | dict(zip(header, line, strict=False))
        row["class"] = unicodedata.normalize("NFC", row["class"])
        if not all(row[name] for name in filled) or len(line) > len(header):
            raise DataError(
                f"a row without {' or '.join(filled)}, or with more cells than columns",
                where=f"{table}, line {number}",
                got=" | ".join(line),
            )
        if row["clip"] in numbers:
            raise DataError(
                f"the same clip as in line {numbers[row['clip']]}",
                where=f"{table}, line {number}",
                got=row["clip"],
            )
        numbers[row["clip"]] = number
        rows.append(row)
    return rows


def _no_class(table: Path) -> DataError:
    return DataError("no row has a class", where=str(table), expected=LABELS_EXPECTED)


def _chosen(table: Path, rows: list[dict[str, str]], dataset: str | None) -> list[int]:
    """Return the positions of the rows of a data set."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    if dataset is None and len(datasets) == 1:
        return list(range(len(rows)))
    if dataset is None or dataset not in datasets:
        raise DataError(
            "this file contains several data sets" if dataset is None else "unknown data set",
            where=str(table),
            got="none chosen" if dataset is None else repr(dataset),
            expected=", ".join(filter(None, datasets)) or "a column dataset",
            hint=did_you_mean(dataset, datasets)
            if dataset
            else "Choose one: --dataset NAME, in Python dataset=NAME.",
        )
    return [i for i, row in enumerate(rows) if row["dataset"] == dataset]
