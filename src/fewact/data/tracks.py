"""Tracks of subjects in tables: ``frame,id,x,y,w,h``, and the text of MOTChallenge."""

import math
from pathlib import Path

import numpy as np

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data.cells import delimiter_of, table_rows
from fewact.video.samplers import Floats
from fewact.video.track import Box, Track

FIELD = {
    **dict.fromkeys(("frame", "frame_id", "frame_index"), "frame"),
    **dict.fromkeys(("id", "track", "track_id", "subject"), "id"),
    **dict.fromkeys(("x", "left", "bb_left"), "x"),
    **dict.fromkeys(("y", "top", "bb_top"), "y"),
    **dict.fromkeys(("w", "width", "bb_width"), "w"),
    **dict.fromkeys(("h", "height", "bb_height"), "h"),
}
COLUMNS = ("frame", "id", "x", "y", "w", "h")
EXPECTED = "a header with frame, id, x, y, w and h, frames from 0; or MOT: no header, frames from 1"
TRACKS = FileType("table of tracks", DataError, 256 * MIB, EXPECTED)


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
    text = TRACKS.text(table)
    rows = list(table_rows(table, text, delimiter_of(text, FIELD)))
    if not rows:
        TRACKS.refuse(table, "the table is empty", "")
    names, first = [FIELD.get(cell.casefold(), "") for cell in rows[0][1]], 0
    if set(names) >= set(COLUMNS):
        if twice := [name for name in COLUMNS if names.count(name) > 1]:
            TRACKS.refuse(table, f"several columns may be {twice[0]}", ",".join(rows[0][1])[:80])
        rows = rows[1:]
    elif _numbers(rows[0][1][:6]) is not None:
        names, first = [*COLUMNS], 1
    else:
        TRACKS.refuse(table, "not a table of tracks", ",".join(rows[0][1])[:80])
    boxes: dict[str, dict[int, list[float]]] = {}
    for line, cells in rows:
        row = dict(zip(names, cells, strict=False))
        numbers = _numbers([row.get(name, "") for name in COLUMNS if name != "id"])
        subject, where = row.get("id", ""), f"{table}, line {line}"
        if not subject or numbers is None or min(numbers[3:]) <= 0 or numbers[0] % 1:
            raise DataError(
                "not a box",
                where=where,
                got=",".join(cells)[:80],
                expected="the whole number of a frame, an id, and numbers in pixels; width and "
                "height above 0",
            )
        number = int(numbers[0]) - first
        if not 0 <= number < len(times):
            raise DataError(
                "the video has no such frame",
                where=where,
                got=f"frame {numbers[0]:.0f}"[:80],
                expected=f"{first} to {len(times) - 1 + first}",
            )
        if number in boxes.setdefault(subject, {}):
            raise DataError(
                "a second box of this subject in this frame",
                where=where,
                got=",".join(cells)[:80],
                expected="tracks: an id for each subject; detections have none",
            )
        boxes[subject][number] = numbers[1:]
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
    boxes = {float(times[number]): box for number, box in numbered.items()}
    ordered = sorted(boxes)
    return Track(subject, np.array(ordered), np.array([boxes[time] for time in ordered]))


def _numbers(cells: list[str]) -> list[float] | None:
    """Return cells as finite numbers; None if one is none."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return None
    return numbers if numbers and all(map(math.isfinite, numbers)) else None
