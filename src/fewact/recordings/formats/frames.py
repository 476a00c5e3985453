"""Tables with a row for each frame and a column of 0 and 1 for each class.

``fewact budget --frames``, DeepEthogram and SimBA write them, and EthoVision for what was scored.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.data.cells import table_rows
from fewact.data.column_names import RECORDING_NAMES
from fewact.data.columns import Column, Schema, plain
from fewact.data.files import first_few
from fewact.data.times import VIDEO_RATE, TimeCells
from fewact.recordings.formats.event import EVENTS, EVENTS_EXPECTED, Row

ON_CELLS: Final = frozenset(("1", "1.0", "true"))
OFF_CELLS: Final = frozenset(("0", "0.0", "false", "", "-"))
"""Cells of a class that is shown, or not; in lower case."""

NO_CLASS_LABELS: Final = ("background", "none")
"""Names of the column of frames that show no class."""

NO_CLASSES: Final = frozenset(
    ("", "id", *"xywh", "width", "height", "conf", "score", "track", "track_id")
)
"""Names that are no class, even if their column has 0 and 1 alone."""

SAMPLED_FRAMES: Final = 200
MOST_CHARACTERS: Final = 200_000
"""Number of rows, and of characters, that show whether a table is one of frames."""

FRAME_TABLE_COLUMNS: Final = Schema(
    (
        Column("recording", RECORDING_NAMES),
        Column("frame", "frame frame_id frame_number frame_index unnamed:_0 unnamed"),
        Column("time", "time trial_time time_s", timed=True),
    ),
    EVENTS_EXPECTED,
    accounts=True,
    ignored="recording_time",
)
"""Columns of tables of frames beside those of classes."""

ETHOVISION: Final = re.compile(r'\A\s*"?Number of header lines:?"?\s*[;,\t]\s*"?(\d{1,4})"?')


@dataclass(frozen=True)
class _Frames:
    """A table of frames: its separator, header, classes and columns, by position."""

    delimiter: str
    header: list[str]
    classes: dict[int, str]
    columns: list[str]

    def at(self, name: str) -> int | None:
        """Return the position of a column; None without it."""
        return self.columns.index(name) if name in self.columns else None


def is_frames(path: Path, text: str) -> bool:
    """Whether a table has a row for each frame."""
    return _layout(path, text) is not None


def _layout(path: Path, text: str) -> _Frames | None:
    match = ETHOVISION.match(text)
    above = int(match[1]) if match else 0
    beginning = text if match else text[:MOST_CHARACTERS].rpartition("\n")[0] or text
    for delimiter in ";\t," if match else ",;\t":
        try:
            sample = islice(table_rows(path, beginning, delimiter), above + SAMPLED_FRAMES)
            rows = [cells for _, cells in sample]
        except DataError:
            continue
        if match:
            rows = _ethovision(rows)
        if len(rows) > 2 and len(rows[0]) > 1 and (layout := _classes(delimiter, rows)):
            return layout
    return None


def _ethovision(rows: Sequence[list[str]]) -> list[list[str]]:
    """Return the header and the samples: the header is the line before the row of units."""
    at = next((i for i, row in enumerate(rows) if row and row[0].lower() == "trial time"), None)
    return [] if at is None else [rows[at], *rows[at + 2 :]]


def _classes(delimiter: str, rows: Sequence[list[str]]) -> _Frames | None:
    header, body = rows[0], rows[1:]
    columns = FRAME_TABLE_COLUMNS.of(header)
    if not header[0] and "frame" not in columns:
        columns[0] = "frame"
    columns += [""] * (max(map(len, body)) - len(columns))
    classes = {
        i: name
        for i, name in enumerate(header)
        if not columns[i]
        and plain(name) not in NO_CLASSES
        and all(row[i].lower() in ON_CELLS | OFF_CELLS for row in body if i < len(row))
        and any(row[i] for row in body if i < len(row))
    }
    placed = "frame" in columns or "time" in columns
    others = [i for i, name in enumerate(header) if not columns[i] and i not in classes]
    if not classes or (others and not placed) or (not placed and len(body) < 3):
        return None
    return _Frames(delimiter, header, classes, columns) if _is_counted(columns, body) else None


def _is_counted(columns: Sequence[str], body: Sequence[list[str]]) -> bool:
    """Whether the frames or times of rows increase, within a recording."""
    name = "frame" if "frame" in columns else "time"
    if name not in columns:
        return True
    at = columns.index(name)
    cells = [TimeCells().number(row[at]) for row in body if at < len(row)]
    numbers = [number for number in cells if number is not None]
    rising = sum(b > a for a, b in pairwise(numbers))
    return len(numbers) == len(body) and rising > 0.8 * (len(numbers) - 1)


def read_frames(path: Path, text: str) -> Iterator[Row]:
    """Yield the segments of each class, from its first frame to the one after its last.

    Raises:
        DataError: A cell of a class is neither 0 nor 1, or frames are missing.
    """
    layout = _layout(path, text)
    if layout is None:
        EVENTS.refuse(path, "not a table of frames")
    rows = table_rows(path, text, layout.delimiter)
    for _, cells in rows:
        if cells == layout.header:
            break
    if ETHOVISION.match(text):
        next(rows)
    listed = list(rows)
    ignored = [
        name
        for i, name in enumerate(layout.header)
        if name
        and not layout.columns[i]
        and layout.classes.get(i, NO_CLASS_LABELS[0]).casefold() in NO_CLASS_LABELS
    ]
    if ignored:
        yield "", {"note": f"columns that are ignored: {first_few(ignored, 12)}"}
    at = layout.at("recording")
    groups: dict[str, list[tuple[int, list[str]]]] = {}
    for line, cells in listed:
        name = cells[at] if at is not None and at < len(cells) else ""
        groups.setdefault(name, []).append((line, cells))
    for recording, group in groups.items():
        for where, fields in _segments(path, layout, group):
            yield where, {"recording": recording, **fields}


def _segments(path: Path, layout: _Frames, rows: Sequence[tuple[int, list[str]]]) -> Iterator[Row]:
    starts = _starts(path, layout, rows)
    for column, label in layout.classes.items():
        if label.casefold() in NO_CLASS_LABELS:
            continue
        begun: int | None = None
        for i, (line, cells) in enumerate(rows):
            cell = cells[column].lower() if column < len(cells) else ""
            if cell not in ON_CELLS and cell not in OFF_CELLS:
                raise DataError(
                    f'the class "{label}" is neither 0 nor 1',
                    where=f"{path}, line {line}",
                    got=cell[:40],
                    expected="1 in frames that show it, 0 in others",
                )
            if cell in ON_CELLS and begun is None:
                begun = i
            if begun is not None and (cell in OFF_CELLS or i == len(rows) - 1):
                end = i if cell in OFF_CELLS else i + 1
                yield f"line {rows[begun][0]}", {"label": label, **starts.span(begun, end)}
                begun = None


@dataclass(frozen=True)
class _Starts:
    """Time or frame of each row, and of the end of the last one."""

    values: Sequence[float]
    are_frames: bool

    def span(self, first: int, end: int) -> dict[str, Any]:
        """Return the times of rows."""
        begin, until = self.values[first], self.values[end]
        if self.are_frames:
            return {"span": (int(begin), int(until)), "fps": VIDEO_RATE}
        return {"start": begin, "end": until}


def _starts(path: Path, layout: _Frames, rows: Sequence[tuple[int, list[str]]]) -> _Starts:
    for name in ("time", "frame"):
        at = layout.at(name)
        if at is None:
            continue
        unit = FRAME_TABLE_COLUMNS.match(layout.header[at]).unit
        numbers = [_value(path, line, cells, at, unit) for line, cells in rows]
        steps = [b - a for a, b in pairwise(numbers)]
        usual = sorted(steps)[len(steps) // 2] if steps else 1.0
        gap = next((i for i, step in enumerate(steps) if not 0 < step < 3.5 * usual), None)
        if gap is not None:
            raise DataError(
                f"the {name} does not go on from row to row",
                where=f"{path}, line {rows[gap + 1][0]}",
                got=f"{numbers[gap]:g}, then {numbers[gap + 1]:g}",
                expected="a row for each frame",
            )
        return _Starts([*numbers, round(numbers[-1] + usual, 9)], name == "frame")
    return _Starts(range(len(rows) + 1), True)


def _value(path: Path, line: int, cells: Sequence[str], at: int, unit: str) -> float:
    text = cells[at] if at < len(cells) else ""
    try:
        return TimeCells().seconds(text, unit, lambda: 0.0)
    except ValueError:
        raise DataError("no time or frame", where=f"{path}, line {line}", got=text[:40]) from None
