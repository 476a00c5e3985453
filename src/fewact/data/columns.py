"""Columns of tables: their names in each language and program, and the header with them.

Each sort of table that is read has one ``Schema``. A column is used, ignored by name, or refused:
what looks like a time, a rate, a frame, a subject or a label must be a known column.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from fewact.core.errors import DataError, did_you_mean
from fewact.data.cells import first_lines, table_rows
from fewact.data.column_names import (
    COMMENTS,
    DURATION_NAMES,
    END_NAMES,
    HARMLESS,
    RATES,
    START_NAMES,
    STATUS_TEXTS,
    SUSPECT,
)
from fewact.data.files import VIDEO_SUFFIXES, first_few
from fewact.data.times import (
    CLOCK,
    CLOCK_WORDS,
    FRAME,
    FRAME_WORDS,
    SECONDS_OF,
    is_missing,
    looks_like_span,
    looks_like_time,
)

QUOTED_CHARACTERS: Final = 40
"""Characters of a cell that an error quotes."""

HEADER_ROWS: Final = 60
"""Number of rows among which the header is; titles may be above it."""

SAMPLED_ROWS: Final = 1000
"""Number of rows that show what an unknown column holds."""

HEADER_CELLS: Final = 16_384
TITLE_CELLS: Final = 1024
"""Number of cells that are looked at in the first line, and in others that may be the header."""

LONGEST_COLUMN_NAME: Final = 80
"""Number of characters of the longest name of a column that may be known."""

SEPARATORS: Final = ",;\t|"

TRACK: Final = "id track track_id"
"""Further names where a row is a position of an individual; elsewhere an ``id`` is a row's own."""


@dataclass(frozen=True)
class Column:
    """A column of a sort of table.

    Args:
        name: Name by which the column is known here.
        names: Names in tables, in lower case with ``_`` for spaces, separated by spaces; empty for
            ``name`` alone.
        required: Whether a table without the column is refused.
        distinctive: Whether another name that looks like this one must be a misspelling.
        timed: Whether it has times: a unit may follow the name, as in ``start (ms)``.
        frames: Column of the same in numbers of frames, as in ``start [frame]``; empty if there
            can be none.
    """

    name: str
    names: str = ""
    required: bool = False
    distinctive: bool = True
    timed: bool = False
    frames: str = ""


class Match(NamedTuple):
    """Column that a name in a header means.

    Args:
        column: Its name; empty if it is unknown.
        unit: Unit of its times, see ``fewact.data.times``; empty if the name has none.
    """

    column: str
    unit: str = ""


UNKNOWN_COLUMN: Final = Match("")
_CLOCK_WORDS: Final = frozenset(name.replace(".", "_") for name in CLOCK_WORDS)

START: Final = Column("start", START_NAMES, timed=True, frames="start_frame")
END: Final = Column("end", END_NAMES, timed=True, frames="end_frame")
DURATION: Final = Column("duration", DURATION_NAMES, timed=True, frames="frames_long")
RATE_COLUMN: Final = Column("rate", RATES)
FRAME_COLUMNS: Final = (
    Column("start_frame", "start_frame frame_start startframe framestart image_index_start"),
    Column("end_frame", "end_frame frame_end endframe frameend stop_frame image_index_stop"),
    Column("frames_long", "frames_long number_of_frames duration_frames", distinctive=False),
)
SEGMENT_COLUMNS: Final = (START, END, DURATION, RATE_COLUMN, *FRAME_COLUMNS)
"""Columns of the start and end of a row, in tables of clips and of events."""


@dataclass(frozen=True)
class Schema:
    """Columns of a sort of table.

    Args:
        columns: The columns that are read; others are ignored.
        expected: Expected header, for errors.
        refuses_misspelt: Whether a name that looks like the name of a missing column is refused.
        accounts: Whether unknown columns that look like times, rates, subjects or labels are
            refused.
        ignored: Names of columns of a program that are not needed, in lower case, separated by
            spaces.

    >>> schema = Schema((Column("start", "start begin", timed=True), Column("path")))
    >>> schema.of(["Path", "Begin (s)", "note"])
    ['path', 'start', '']
    """

    columns: tuple[Column, ...]
    expected: str = ""
    refuses_misspelt: bool = False
    accounts: bool = False
    ignored: str = ""

    @staticmethod
    def of_names(names: Sequence[str]) -> "Schema":
        """Return a schema of columns that are all required, and must not be misspelt."""
        return Schema(tuple(Column(name, required=True) for name in names), ", ".join(names), True)

    def and_column(self, name: str) -> "Schema":
        """Return the schema with one more column, which is optional."""
        return replace(self, columns=(*self.columns, Column(name)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def timed(self) -> tuple[str, ...]:
        """Names of the columns with times."""
        return tuple(column.name for column in self.columns if column.timed)

    @cached_property
    def _column_of(self) -> dict[str, Column]:
        return {
            plain(name): column
            for column in self.columns
            for name in (column.names or column.name).split()
        }

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return frozenset(map(plain, self.ignored.split()))

    def match(self, cell: str) -> Match:
        """Return the column that a name means, and the unit in it."""
        if not cell or len(cell) > LONGEST_COLUMN_NAME or cell[0].isdigit():
            return UNKNOWN_COLUMN
        for name in spellings(cell):
            if name in self._column_of:
                return Match(self._column_of[name].name)
        return next(
            (
                Match(column.frames, "") if unit == FRAME else Match(column.name, unit)
                for base, unit in with_unit(cell)
                if (column := self._column_of.get(base)) is not None
                and column.timed
                and (unit != FRAME or column.frames)
            ),
            UNKNOWN_COLUMN,
        )

    def of(self, cells: Sequence[str]) -> list[str]:
        """Return the column of each cell of a header; empty for a cell that names none."""
        return [self.match(cell).column for cell in cells]

    def units(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the unit of each column of times whose name has one."""
        return {column: unit for column, unit in map(self.match, cells) if unit}

    def column(self, name: str) -> str:
        """Return the column of a name; empty if it names none."""
        return self.match(name).column

    def unknown(self, cells: Sequence[str]) -> list[str]:
        """Return the cells of a header that name no column."""
        return [cell for cell, column in zip(cells, self.of(cells), strict=True) if not column]

    def fits(self, cells: Sequence[str]) -> bool:
        """Return whether a header has all required columns."""
        return {column.name for column in self.columns if column.required} <= set(self.of(cells))

    def delimiter(self, text: str) -> str:
        """Return the separator that gives most known columns in one of the first lines.

        If no line has a known column, the most frequent separator of the first line is returned:
        an error shows the cells. A guess from the rows could mistake a comma inside a file name for
        a separator.
        """
        return self.heading(text)[0]

    def heading(self, text: str) -> tuple[str, int]:
        """Return the separator, and the number of lines with text above the header.

        The header is the line with most known columns: titles may be above it.
        """
        lines = first_lines(text, HEADER_ROWS)
        best, separator, above = (0, 0), "", 0
        for number, line in enumerate(lines):
            bare, most = line.replace('"', ""), TITLE_CELLS if number else HEADER_CELLS
            for delimiter in SEPARATORS:
                cells = bare.split(delimiter, most)[:most]
                count = len({*self.of(cells)} - {""}) if number == 0 or len(cells) > 1 else 0
                known = count, (len(cells) if number == 0 or count else 0)
                if known > best and (number == 0 or count > best[0]):
                    best, separator, above = known, delimiter, number
        return separator or ",", above

    def header(self, text: str) -> list[str]:
        """Return the cells of the header of a table."""
        delimiter, above = self.heading(text)
        lines = first_lines(text, above + 1)
        return [cell.strip(' "') for cell in lines[above].split(delimiter)] if lines else [""]

    def rows(self, table: Path, text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield the first line number and the cells of each row, see ``table_rows``."""
        return table_rows(table, text, self.delimiter(text))

    def checked(self, where: str, cells: Sequence[str]) -> list[str]:
        """Return the columns of a header, see ``of``; ``where`` is for errors.

        Raises:
            DataError: A required column is missing, or misspelt, or two may be the same one.
        """
        columns = self.of(cells)
        for column in self.columns:
            if column.required and column.name not in columns:
                unknown = map(normalised, self.unknown(cells))
                near = next((name for name in unknown if did_you_mean(column.name, [name])), "")
                raise DataError(
                    f'there is no column "{column.name}"',
                    where=where,
                    got=_quoted(cells),
                    expected=self.expected,
                    hint=f'Rename the column "{near}".' if near else "",
                )
            self._refuse_twice(where, cells, columns, column.name)
        if self.refuses_misspelt:
            self._refuse_misspelt(where, cells, columns)
        return columns

    def _refuse_twice(
        self, where: str, cells: Sequence[str], columns: Sequence[str], name: str
    ) -> None:
        if columns.count(name) > 1:
            names = (c for c, column in zip(cells, columns, strict=True) if column == name)
            raise DataError(
                f'several columns may be "{name}"',
                where=where,
                got=_quoted(names),
                expected="one of them",
            )

    def _refuse_misspelt(self, where: str, cells: Sequence[str], columns: Sequence[str]) -> None:
        """Refuse a misspelt column: without it, the full file would replace a segment."""
        absent = [c.name for c in self.columns if c.distinctive and c.name not in columns]
        for written in map(normalised, self.unknown(cells)):
            for name in absent:
                if written.startswith(name) or did_you_mean(written, [name]):
                    raise DataError(
                        f'unknown column "{written}"',
                        where=where,
                        expected=self.expected,
                        hint=f'Did you mean "{name}"? Rename the column.',
                    )

    def left_out(
        self, where: str, cells: Sequence[str], rows: Sequence[Sequence[str]], *, timed: bool
    ) -> list[str]:
        """Return the names of the columns that are ignored.

        Args:
            where: Table, for errors.
            cells: Header.
            rows: First rows, which show what an unknown column holds.
            timed: Whether a start, and an end or duration are known; if not, an unknown column of
                numbers may have them.

        Raises:
            DataError: An unknown column looks like a time, a rate, a frame, a subject or a label;
                or like a recording, where none is known.
        """
        columns = self.of(cells)
        ignored = []
        for at, (cell, column) in enumerate(zip(cells, columns, strict=True)):
            if column:
                continue
            filled = [row[at] for row in rows if at < len(row) and not is_missing(row[at])]
            if not cell and not filled:
                continue
            name = plain(cell)
            if self.accounts and name not in self._ignored:
                what = self._suspicion(name, filled, columns, timed=timed)
                if what:
                    raise DataError(
                        f'the column "{cell[:QUOTED_CHARACTERS]}" is not known, and looks like '
                        f"{what}",
                        where=where,
                        got=_quoted(cells),
                        expected=self.expected,
                        hint="Rename it, or remove it.",
                    )
            ignored.append(cell or f"column {at + 1}")
        return ignored

    def _suspicion(
        self, name: str, filled: Sequence[str], columns: Sequence[str], *, timed: bool
    ) -> str:
        if not filled or COMMENTS.search(name):
            return ""
        if SUSPECT.search(re.sub(r"\W+", "_", name)):
            return "a time, a rate, a frame, a subject or a label"
        if all(cell.casefold() in STATUS_TEXTS for cell in filled):
            return "a START and a STOP"
        videos = sum(Path(cell).suffix.lower() in VIDEO_SUFFIXES for cell in filled)
        if "recording" in self.names and "recording" not in columns and 2 * videos > len(filled):
            return "the recording"
        if timed or HARMLESS.search(name):
            return ""
        if all(looks_like_time(cell) or looks_like_span(cell) for cell in filled):
            return "a time"
        return ""


def _quoted(cells: "Sequence[str] | Iterator[str]") -> str:
    return first_few(cell[:QUOTED_CHARACTERS] for cell in cells)


def normalised(cell: str) -> str:
    """Return the name in a header's cell: in lower case and NFC, with ``_`` for spaces."""
    return re.sub(r"\s+", "_", unicodedata.normalize("NFC", cell).casefold().strip())


@lru_cache(maxsize=1 << 15)
def plain(name: str) -> str:
    """Return a name by which names are compared: without accents, with ``_`` for punctuation.

    >>> plain("Début "), plain("time.stamp"), plain("Image-index")
    ('debut', 'time_stamp', 'image_index')
    """
    parts = unicodedata.normalize("NFKD", name.strip().casefold())
    letters = "".join(c for c in parts if not unicodedata.combining(c))
    letters = unicodedata.normalize("NFC", letters)
    return re.sub(r"[\s._\-–/,]+", "_", letters).strip("_")


@lru_cache(maxsize=1 << 15)
def spellings(cell: str) -> tuple[str, ...]:
    """Return the names that a cell may mean: as it is, and with words that capitals begin.

    >>> spellings("startTime")
    ('starttime', 'start_time')
    """
    words = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z][a-z])", "_", cell)
    return (plain(cell),) if words == cell else (plain(cell), plain(words))


@lru_cache(maxsize=1 << 15)
def with_unit(cell: str) -> tuple[tuple[str, str], ...]:
    """Return the names without a unit that a cell may mean, each with that unit.

    >>> with_unit("Start time (ms)")
    (('start_time', 'ms'),)
    >>> with_unit("frame_start"), with_unit("endMs")
    ((('start', 'frame'),), (('end', 'ms'),))
    """
    found = []
    for name in spellings(cell):
        bracket = re.fullmatch(r"(.*?)_?[\(\[\{<]_?(?:in_)?([^\(\[\{]*?)_?[\)\]\}>]", name)
        words = name.split("_")
        pairs = [(bracket[1], bracket[2])] if bracket else []
        if len(words) > 1:
            pairs.append(("_".join(words[1:]), words[0]))
        for at in range(1, len(words)):
            until = at - 1 if words[at - 1] == "in" and at > 1 else at
            pairs.append(("_".join(words[:until]), "_".join(words[at:])))
        for base, unit in pairs:
            kind = FRAME if unit in FRAME_WORDS else CLOCK if unit in _CLOCK_WORDS else unit
            if kind in (FRAME, CLOCK) or kind in SECONDS_OF:
                found.append((base, kind))
    return tuple(dict.fromkeys(found))


def rows_of(table: Path, text: str, schema: Schema) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield for each row its first line number and its stripped cells by column.

    Raises:
        DataError: The header is refused, see ``Schema.checked``, or a row has too many cells.
    """
    columns: list[str] | None = None
    for line, cells in schema.rows(table, text):
        where = f"{table}, line {line}"
        if columns is None:
            columns = schema.checked(where, cells)
            continue
        if has_extra(cells, columns):
            raise DataError(
                "more cells than columns",
                where=where,
                got=str(len(cells)),
                expected=str(len(columns)),
                hint="Put a cell that contains a separator into double quotes.",
            )
        row = dict(zip(columns, cells, strict=False))
        yield line, {name: row.get(name, "") for name in schema.names}
    if columns is None:
        raise DataError("the table is empty", where=str(table), expected=schema.expected)


def has_extra(cells: Sequence[str], columns: Sequence[str]) -> bool:
    """Return whether a row has text in more cells than there are columns."""
    return any(cells[len(columns) :])
