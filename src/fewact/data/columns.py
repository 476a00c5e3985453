"""Columns of tables: their names in tables of people and of programs, and the header with them.

Each sort of table that is read has one ``Schema``. ``SUBJECT`` and ``TRACK`` are the names that
several sorts of tables share.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from fewact.core.errors import DataError, did_you_mean
from fewact.data.cells import header_line, table_rows
from fewact.data.files import first_few

QUOTED_CHARACTERS: Final = 40
"""Characters of a cell that an error quotes."""

SUBJECT: Final = "subject individual animal person actor"
"""Names of the column with the individual that a row is about."""

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
    """

    name: str
    names: str = ""
    required: bool = False
    distinctive: bool = True


@dataclass(frozen=True)
class Schema:
    """Columns of a sort of table.

    Args:
        columns: The columns that are read; others are ignored.
        expected: Expected header, for errors.
        refuses_misspelt: Whether a name that looks like the name of a missing column is refused.

    >>> schema = Schema((Column("start", "start begin start_(s)"), Column("path")))
    >>> schema.of(["Path", "Start (s)", "note"])
    ['path', 'start', '']
    """

    columns: tuple[Column, ...]
    expected: str = ""
    refuses_misspelt: bool = False

    @staticmethod
    def of_names(names: Sequence[str]) -> "Schema":
        """Return a schema of columns that are all required, and must not be misspelt."""
        return Schema(tuple(Column(name, required=True) for name in names), ", ".join(names), True)

    def and_column(self, name: str) -> "Schema":
        """Return the schema with one more column, which is optional."""
        return Schema((*self.columns, Column(name)), self.expected, self.refuses_misspelt)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def _column_of(self) -> dict[str, str]:
        return {
            name: column.name
            for column in self.columns
            for name in (column.names or column.name).split()
        }

    def of(self, cells: Sequence[str]) -> list[str]:
        """Return the column of each cell of a header; empty for a cell that names none."""
        return [self._column_of.get(normalised(cell), "") for cell in cells]

    def column(self, name: str) -> str:
        """Return the column of a name; empty if it names none."""
        return self.of([name])[0]

    def unknown(self, cells: Sequence[str]) -> list[str]:
        """Return the cells of a header that name no column."""
        return [cell for cell, column in zip(cells, self.of(cells), strict=True) if not column]

    def fits(self, cells: Sequence[str]) -> bool:
        """Return whether a header has all required columns."""
        return {column.name for column in self.columns if column.required} <= set(self.of(cells))

    def delimiter(self, text: str) -> str:
        """Return the separator that gives most known columns in the first non-empty line.

        If the line has no known column, the most frequent separator is returned: an error shows the
        cells. A guess from the rows could mistake a comma inside a file name for a separator.
        """
        header = header_line(text).replace('"', "")

        def known(delimiter: str) -> tuple[int, int]:
            cells = header.split(delimiter)
            return len({*self.of(cells)} - {""}), len(cells)

        return max(",;\t", key=known)

    def header(self, text: str) -> list[str]:
        """Return the cells of the first non-empty line of a table."""
        return [cell.strip(' "') for cell in header_line(text).split(self.delimiter(text))]

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
                    got=first_few(cell[:QUOTED_CHARACTERS] for cell in cells),
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
                got=first_few(cell[:QUOTED_CHARACTERS] for cell in names),
                expected="one of them",
            )

    def _refuse_misspelt(self, where: str, cells: Sequence[str], columns: Sequence[str]) -> None:
        """Refuse a misspelt column: it would be ignored, and a full file used, not a segment."""
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


def normalised(cell: str) -> str:
    """Return the name in a header's cell: in lower case and NFC, with ``_`` for spaces."""
    return re.sub(r"\s+", "_", unicodedata.normalize("NFC", cell).casefold().strip())


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
