"""Tracks of subjects in tables: ``frame,id,x,y,w,h``, and the text of MOTChallenge."""

from pathlib import Path
from typing import Final

import numpy as np

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.cells import number
from fewact.data.column_names import SUBJECT
from fewact.data.columns import TRACK, Column, Schema
from fewact.data.sheets import sheets_of
from fewact.video.samplers import Floats
from fewact.video.track import Box, Track

TRACKS_EXPECTED = (
    "a header with frame, id, x, y, w and h, frames from 0; or MOT: no header, frames from 1"
)
TRACK_COLUMNS: Final = Schema(
    (
        Column("frame", "frame frame_id frame_index", required=True),
        Column("id", f"{TRACK} {SUBJECT}", required=True),
        Column("x", "x left bb_left", required=True),
        Column("y", "y top bb_top", required=True),
        Column("w", "w width bb_width", required=True),
        Column("h", "h height bb_height", required=True),
    ),
    TRACKS_EXPECTED,
)
TRACKS = FileType("table of tracks", DataError, 256 * MIB, TRACKS_EXPECTED)


def read_tracks(
    path: str | Path, times: Floats, size: tuple[int, int] | None = None
) -> list[Track]:
    """Return the tracks of a table, in the order of their first rows.

    Boxes are in pixels of the picture as displayed. In a table with a header the first frame has
    the number 0; in the format of MOTChallenge, which has none, 1.

    Args:
        path: Table.
        times: Times (n) of the frames of the video, in seconds.
        size: Height and width of the picture, in pixels, to refuse subjects that are beside it.

    Raises:
        DataError: The table cannot be read, or a row is invalid.
    """
    table = user_path(path, DataError)
    text = sheets_of(table, TRACKS)[0].text
    rows = list(TRACK_COLUMNS.rows(table, text))
    if not rows:
        TRACKS.refuse(table, "the table is empty", "")
    header = rows[0][1]
    if has_header := TRACK_COLUMNS.fits(header):
        names = TRACK_COLUMNS.checked(str(table), header)
        rows = rows[1:]
    elif _numbers(header[:6]) is not None:
        names = [*TRACK_COLUMNS.names]
    else:
        TRACKS.refuse(table, "not a table of tracks", ",".join(header)[:80])
    first = 0 if has_header else 1
    boxes: dict[str, dict[int, list[float]]] = {}
    for line, cells in rows:
        row = dict(zip(names, cells, strict=False))
        numbers = _numbers([row.get(name, "") for name in TRACK_COLUMNS.names if name != "id"])
        subject, where = row.get("id", ""), f"{table}, line {line}"
        if not subject or numbers is None or min(numbers[3:]) <= 0 or numbers[0] % 1:
            raise DataError(
                "not a box",
                where=where,
                got=",".join(cells)[:80],
                expected="the whole number of a frame, an id, and numbers in pixels; width and "
                "height above 0",
            )
        frame = int(numbers[0]) - first
        if not 0 <= frame < len(times):
            raise DataError(
                "the video has no such frame",
                where=where,
                got=f"frame {numbers[0]:.0f}"[:80],
                expected=f"{first} to {len(times) - 1 + first}",
            )
        if frame in boxes.setdefault(subject, {}):
            raise DataError(
                "a second box of this subject in this frame",
                where=where,
                got=",".join(cells)[:80],
                expected="tracks: an id for each subject; detections have none",
            )
        boxes[subject][frame] = numbers[1:]
    if not boxes:
        TRACKS.refuse(table, "the table has no box")
    tracks = [_track(subject, rows_of, times) for subject, rows_of in boxes.items()]
    if size is not None:
        _check_shown(table, tracks, size)
    return tracks


def _check_shown(table: Path, tracks: list[Track], size: tuple[int, int]) -> None:
    height, width = size
    picture = Box(0, 0, width, height)
    for track in tracks:
        if max(Box(*box).shared(picture) for box in track.boxes.tolist()) < 1:
            raise DataError(
                "all boxes of a subject are beside the picture, or less than a pixel",
                where=f"{table}: {track.subject}",
                got=", ".join(f"{side:g}" for side in track.boxes[0]),
                expected=f"x, y, width and height in pixels of a picture of {width}x{height}",
            )


def _track(subject: str, numbered: dict[int, list[float]], times: Floats) -> Track:
    boxes = {float(times[frame]): box for frame, box in numbered.items()}
    ordered = sorted(boxes)
    return Track(subject, np.array(ordered), np.array([boxes[time] for time in ordered]))


def _numbers(cells: list[str]) -> list[float] | None:
    """Return cells as finite numbers; None if one is none."""
    numbers = [*map(number, cells)]
    return None if not numbers or None in numbers else [float(n) for n in numbers if n is not None]
