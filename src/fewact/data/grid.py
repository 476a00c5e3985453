"""A table: its header, what is above it, the meaning of its columns, and its rows."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.data.cells import table_rows
from fewact.data.columns import SAMPLED_ROWS, Schema, has_extra
from fewact.data.files import first_few
from fewact.data.times import VIDEO_RATE, TimeCells, TimeFault, is_missing, looks_like_time

TIMED_COLUMNS: Final = ("start", "end", "duration", "time")
START_COLUMNS: Final = frozenset(("start", "start_frame", "first_frame"))
END_COLUMNS: Final = frozenset(("end", "duration", "end_frame", "frames_long", "last_frame"))

START_FRAME_COLUMNS: Final = frozenset(("start_frame", "first_frame"))

DURATION_TOLERANCE: Final = 0.6
"""Seconds by which an end may differ from start and duration, which may be rounded."""

EXTRA_CELLS: Final = "write a cell with a decimal comma or another separator in quotes"

FACT_COLUMNS: Final = ("recording", "observation", "rate", "subject", "rater", "offset")
"""Columns whose value may be above the header, for all rows."""


@dataclass(frozen=True)
class Grid:
    """A table whose header is known.

    Args:
        path: File, for errors.
        text: Content.
        schema: Columns.
        units: Units of columns whose names say none.
    """

    path: Path
    text: str
    schema: Schema
    units: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _heading(self) -> tuple[str, int]:
        return self.schema.heading(self.text)

    @cached_property
    def _numbered(self) -> "list[tuple[int, list[str]]]":
        """Rows above the header, and the header."""
        delimiter, above = self._heading
        rows = table_rows(self.path, self.text, delimiter)
        return list(islice(rows, above + 1))

    @cached_property
    def header(self) -> list[str]:
        """Cells of the header; those at its end that are empty in all rows are left out."""
        return self._numbered[-1][1] if self._numbered else []

    @cached_property
    def columns(self) -> list[str]:
        """Column of each cell of the header.

        Raises:
            DataError: The header is refused, see ``Schema.checked``.
        """
        line = f", line {self._numbered[-1][0]}" if self._numbered else ""
        columns = self.schema.checked(f"{self.path}{line}", self.header)
        self._refuse_mixed(frozenset(columns))
        return columns

    def _refuse_mixed(self, named: frozenset[str]) -> None:
        """Refuse a start in seconds whose end is in frames, or the other way round."""
        start, end = "start" in named, bool(named & {"end", "duration"})
        first, last = "start_frame" in named, bool(named & {"end_frame", "frames_long"})
        if (start or end) and (first or last) and not (start and end and first == last):
            raise DataError(
                "the start and the end are not in the same unit",
                where=str(self.path),
                got=first_few(self.header),
                expected="both in seconds, or both in frames",
            )

    @cached_property
    def named(self) -> frozenset[str]:
        """Columns that the table has."""
        return frozenset(self.columns) - {""}

    @cached_property
    def facts(self) -> dict[str, str]:
        """Values for all rows that are above the header, by column."""
        found = {}
        for _, cells in self._numbered[:-1]:
            filled = [cell for cell in cells if cell]
            if (
                len(filled) > 1
                and (column := self.schema.column(filled[0].rstrip(":"))) in FACT_COLUMNS
            ):
                found[column] = filled[1]
        return found

    @cached_property
    def has_rate(self) -> bool:
        """Whether the table says a frame rate."""
        return "rate" in self.named or "rate" in self.facts

    @cached_property
    def has_frames(self) -> bool:
        """Whether the table has columns of numbers of frames."""
        return bool(self.named & START_FRAME_COLUMNS)

    def raw_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line and the cells of each row below the header."""
        delimiter, above = self._heading
        yield from islice(table_rows(self.path, self.text, delimiter), above + 1, None)

    @cached_property
    def sample(self) -> list[list[str]]:
        """Cells of the first rows."""
        return [cells for _, cells in islice(self.raw_rows(), SAMPLED_ROWS)]

    def note(self, *, timed: bool, unused: Iterable[str] = ()) -> str:
        """Return the sentence that names the columns and titles that are ignored.

        Args:
            timed: Whether the columns of the times are known, see ``Schema.left_out``.
            unused: Known columns whose cells are not used.

        Raises:
            DataError: A column is unknown and looks like a time, see ``Schema.left_out``.
        """
        columns = self.schema.left_out(str(self.path), self.header, self.sample, timed=timed)
        named = zip(self.header, self.columns, strict=True)
        columns += [cell for cell, column in named if column in set(unused)]
        titles = []
        for _, cells in self._numbered[:-1]:
            filled = [cell for cell in cells if cell]
            name = self.schema.column(filled[0].rstrip(":"))
            if name in self.facts and len(filled) > 1:
                continue
            if len(filled) == 2 and looks_like_time(filled[1]):
                self._check_fact(*filled)
            titles.append(" ".join(filled)[:40])
        said = []
        if columns:
            said.append(f"columns that are ignored: {first_few(columns, 12)}")
        if titles:
            said.append(f"lines above the header that are ignored: {first_few(titles)}")
        return "; ".join(said)

    def _check_fact(self, name: str, value: str) -> None:
        """Refuse a line above the header that looks like a time or a rate."""
        self.schema.left_out(str(self.path), [name], [[value]], timed=True)
        if self.schema.column(name.rstrip(":")):
            raise DataError(
                f'the line "{name[:40]}" above the header is not understood',
                where=str(self.path),
                got=value[:40],
                expected="a column of this name, with a value in each row",
            )

    @cached_property
    def time_cells(self) -> TimeCells:
        """How the cells of times are read.

        Raises:
            DataError: A comma in them may be decimal, or separate thousands.
        """
        delimiter, _ = self._heading
        if "," not in self.text or (delimiter == "," and '"' not in self.text):
            return TimeCells()
        at = [i for i, column in enumerate(self.columns) if column in TIMED_COLUMNS]
        cells = (row[i] for _, row in self.raw_rows() for i in at if i < len(row))
        return checked_time_cells(self.path, cells)

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield place and cells by column of each row; or a ``fault``."""
        at = [(i, column) for i, column in enumerate(self.columns) if column]
        facts, columns, width = self.facts, self.columns, len(self.columns)
        for line, cells in self.raw_rows():
            where = f"line {line}"
            if has_extra(cells, columns):
                yield where, {"fault": f"{len(cells)} cells in {width} columns; {EXTRA_CELLS}"}
                continue
            if cells == self.header:
                yield where, {"fault": "the header again"}
                continue
            count = len(cells)
            row = {column: cells[i] if i < count else "" for i, column in at}
            if facts:
                row |= {name: row.get(name) or value for name, value in facts.items()}
            yield where, row

    @cached_property
    def all_units(self) -> dict[str, str]:
        """Unit of each column of times that has one."""
        return dict(self.units) | self.schema.units(self.header)


def checked_time_cells(path: Path, cells: Iterable[str]) -> TimeCells:
    """Return how the cells of times of a table are read.

    Raises:
        DataError: A comma in them may be decimal, or separate thousands.
    """
    try:
        return TimeCells.of(cells)
    except TimeFault as fault:
        raise DataError(
            str(fault),
            where=str(path),
            expected="times such as 1234.5, 1234,5 or 20:34.5",
            hint="Write the decimals after a point.",
        ) from None


def mapped_times(grid: Grid, row: Mapping[str, str], *, start: str = "start") -> dict[str, Any]:
    """Return the start and end of a row, in seconds, or as a ``span`` of frames.

    Args:
        grid: Table.
        row: Cells by column.
        start: Column of the start.

    Raises:
        TimeFault: The cells are no times, or do not fit together.
    """
    reader, units = grid.time_cells, grid.all_units
    rate = declared_rate(grid, row) if grid.has_rate else 0.0
    needs_rate = False

    def fps() -> float:
        nonlocal needs_rate
        needs_rate = not rate
        return rate or 1e9  # any, until the video says it

    def value(name: str, of: Callable[[], float] = fps) -> float | None:
        text = row.get(name, "")
        if is_missing(text):
            return None
        if text == "inf" and name == "end":  # the end of the recording
            return math.inf
        return reader.seconds(text, units.get(name, ""), of)

    begin, end, duration = value(start), value("end"), value("duration")
    if needs_rate:
        columns = (start, "end", "duration")
        return {"by_rate": lambda fps_: _segment(*(value(c, lambda: fps_) for c in columns))}
    if begin is None and grid.has_frames and (span := frames_of_row(row)):
        return {"span": span, "fps": rate or VIDEO_RATE}
    return _segment(begin, end, duration)


def _segment(start: float | None, end: float | None, duration: float | None) -> dict[str, float]:
    if start is not None and duration is not None:
        if duration < 0:
            raise TimeFault(f"its duration is {duration:g} s")
        if end is None:
            end = round(start + duration, 9)
        elif abs(start + duration - end) > DURATION_TOLERANCE + 0.01 * duration:
            raise TimeFault(f"from {start:g} to {end:g} s is not its duration, {duration:g} s")
    if start is not None and end is not None:
        return {"start": start, "end": end}
    return {"start": start} if start is not None else {"end": end} if end is not None else {}


def declared_rate(grid: Grid, row: Mapping[str, str]) -> float:
    """Return the frame rate that a row says; 0 if it says none."""
    text = row.get("rate") or grid.facts.get("rate", "")
    if is_missing(text):
        return 0.0
    rate = TimeCells().number(text.lower().removesuffix("fps").strip())
    if rate is None or not 0 < rate < 1e5:
        raise TimeFault(f"its frame rate is {text[:20]!r}")
    return rate


def frames_of_row(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the first frame and the frame after the last one; None if the row has none."""
    first, last = frame_of(row, "first_frame"), frame_of(row, "last_frame")
    if first is not None and last is not None:
        return _span(first, last + 1)
    start, end = frame_of(row, "start_frame"), frame_of(row, "end_frame")
    count = frame_of(row, "frames_long")
    if start is None:
        return None
    if end is None:
        end = start + (count or 0)
    return _span(start, end)


def _span(first: int, end: int) -> tuple[int, int]:
    if end < first:
        raise TimeFault(f"its frames are {first} to {end}")
    return first, end


def frame_of(row: Mapping[str, str], name: str) -> int | None:
    """Return the number of a frame in a column of a row; None if it has none."""
    text = row.get(name, "")
    if is_missing(text):
        return None
    number = TimeCells().number(text)
    if number is None or number % 1 or not 0 <= number < 1e12:
        raise TimeFault(f"its {name.replace('_', ' ')} is no number of a frame: {text[:20]!r}")
    return int(number)
