"""Workbooks (.xlsx) as text of CSV, read with limits: a file declares more than it holds.

Rows keep their numbers, merged cells have the value of their range, and times are written as they
are shown. Excel reads ``1:02`` as hours and minutes, and shows it as typed: minutes and seconds.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn
from xml.parsers import expat

from fewact.core.bounded import MIB, FileType
from fewact.core.text_table import csv_line

PART_BYTES: Final = 256 * MIB
"""Largest size of a part of a workbook."""

SHEET_CHARACTERS: Final = 128 * MIB
"""Largest size of a sheet as text: many cells may share one string."""

CELL_CHARACTERS: Final = 32_767
"""Limit of Excel."""

LARGE_MEMBER: Final = 4 * MIB
MOST_COMPRESSED: Final = 100
"""Largest ratio of a large part's size to its compressed size; sheets have 8 to 30."""

MOST_ROWS, MOST_COLUMNS = 1 << 20, 1 << 14
"""Limits of Excel."""

MOST_SHEET_ELEMENTS: Final = 12_000_000
"""Number of elements of a part."""

MOST_STYLES: Final = 500_000
"""Number of elements of the styles; Excel allows 65,490 formats of cells."""

MOST_MERGED: Final = 1_000_000
"""Number of cells that merged ranges fill."""

ZIP_SIGNATURE: Final = b"PK\x03\x04"
OLE_SIGNATURE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_ENCRYPTED: Final = 1

MERGED_RANGE: Final = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)
PLACE: Final = re.compile(r"[A-Z]{1,3}(?=\d)")
FORMAT_TEXT: Final = re.compile(r'"[^"]*"|\\.|_.|\[(?![hms]+\])[^\]]*\]', re.I)
"""Parts of a number format that are no codes: quoted text, escapes, colours and conditions."""

DATES: Final = frozenset((14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)))
"""Numbers of built-in formats with a date."""

CLOCK_FORMATS: Final = {18: False, 19: True, 20: False, 21: True, 45: True, 46: True, 47: True}
"""Numbers of built-in formats of times of day, and whether they show seconds."""


class Workbook:
    """Sheets of a workbook.

    Args:
        path: File.
        content: Its bytes.
        type: Type of file, for errors.

    Raises:
        UserError: It is not a workbook, or beyond the limits.
    """

    def __init__(self, path: Path, content: bytes, type: FileType) -> None:
        self.path, self._type = path, type
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            self._refuse(f"not a workbook of Excel: {error}")
        if "mimetype" in self._archive.namelist():
            self._refuse("an OpenDocument file; save it as .xlsx")
        self._files = self._sheets()

    @property
    def names(self) -> list[str]:
        """Names of the sheets, in their order."""
        return [*self._files]

    def text(self, name: str) -> str:
        """Return a sheet as CSV."""
        part = self._files[name]
        content = self._part(part)
        sheet = _Sheet(self, self._strings, self._formats, _merged(content, self._refuse))
        self._parse(part, content, sheet.start, sheet.end, sheet.text)
        return sheet.out.getvalue()

    def _sheets(self) -> dict[str, str]:
        """Return the part of each sheet by name."""
        book = next(
            (target for kind, target in self._relations("").values() if kind == "officeDocument"),
            "xl/workbook.xml",
        )
        targets = self._relations(book)
        files: dict[str, str] = {}
        self._book, self._is_1904 = book, False

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self._is_1904 = attributes.get("date1904") in ("1", "true")
            if name == "sheet":
                link = next((v for k, v in attributes.items() if k.endswith(":id")), "")
                kind, target = targets.get(link, ("", ""))
                if kind == "worksheet":
                    files[attributes.get("name", "")] = target

        self._parse(book, self._part(book), start)
        if not files:
            self._refuse("not a workbook of Excel: it has no sheets")
        return files

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the type and the part of each relation of a part."""
        path = PurePosixPath(part)
        name = str(path.parent / "_rels" / f"{path.name}.rels") if part else "_rels/.rels"
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                whole = target[1:] if target.startswith("/") else str(path.parent / target)
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = kind, whole

        if name in self._archive.namelist():
            self._parse(name, self._part(name), start)
        return found

    @cached_property
    def _strings(self) -> list[str]:
        """Strings that cells refer to by number; readings of characters are left out."""
        part = next(
            (t for k, t in self._relations(self._book).values() if k == "sharedStrings"), ""
        )
        strings: list[str] = []
        texts: list[str] = []
        inside = [0, 0]  # elements t and rPh

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "si":
                texts.clear()
            inside[0] += name == "t"
            inside[1] += name == "rPh"

        def end(name: str) -> None:
            if name == "si":
                strings.append("".join(texts))
            inside[0] -= name == "t"
            inside[1] -= name == "rPh"

        def text(content: str) -> None:
            if inside[0] and not inside[1]:
                texts.append(content)

        if part in self._archive.namelist():
            self._parse(part, self._part(part), start, end, text)
        return strings

    @cached_property
    def _formats(self) -> "list[_Format]":
        """Format of the numbers in a cell by the number of its style."""
        part = next((t for k, t in self._relations(self._book).values() if k == "styles"), "")
        codes: dict[str, str] = {}
        numbers: list[str] = []
        inside = [False]

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "numFmt":
                codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            inside[0] |= name == "cellXfs"
            if name == "xf" and inside[0]:
                numbers.append(attributes.get("numFmtId", ""))

        def end(name: str) -> None:
            inside[0] &= name != "cellXfs"

        if part in self._archive.namelist():
            self._parse(part, self._part(part), start, end, most=MOST_STYLES)
        return [_Format.of(number, codes.get(number, ""), self._is_1904) for number in numbers]

    def _part(self, name: str) -> bytes:
        """Return the content of a part."""
        try:
            info = self._archive.getinfo(name)
            if info.flag_bits & ZIP_ENCRYPTED:
                self._refuse("the workbook is encrypted; save it without a password")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self._refuse("the workbook is compressed in a way that Excel does not use")
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > LARGE_MEMBER and ratio > MOST_COMPRESSED:
                self._refuse(f"{name} of the workbook is compressed {ratio:.0f} to 1")
            if info.file_size > PART_BYTES:
                self._refuse(f"{name} of the workbook is too large")
            with self._archive.open(info) as file:
                content = file.read(info.file_size + 1)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            if isinstance(error, self._type.refusal):
                raise
            self._refuse(f"not a workbook of Excel: {error}")
        except (NotImplementedError, RuntimeError) as error:
            self._refuse(f"the workbook cannot be unpacked: {error}")
        if len(content) != info.file_size:
            self._refuse("not a workbook of Excel: a part has another size than it says")
        return content

    def _parse(
        self,
        part: str,
        content: bytes,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] = lambda name: None,
        text: Callable[[str], None] = lambda content: None,
        *,
        most: int = MOST_SHEET_ELEMENTS,
    ) -> None:
        """Call functions with the elements of a part; names are without a prefix."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        count = 0

        def begin(name: str, attributes: dict[str, str]) -> None:
            nonlocal count
            count += 1
            if count > most:
                self._refuse(f"{part} of the workbook has more than {most} elements")
            start(name.rpartition(":")[2] if ":" in name else name, attributes)

        parser.StartElementHandler = begin
        parser.EndElementHandler = lambda name: end(
            name.rpartition(":")[2] if ":" in name else name
        )
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse(
            "the workbook declares a document type, which could expand without limit"
        )
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            if isinstance(error, self._type.refusal):
                raise
            self._refuse(f"not a workbook of Excel: {part}: {error}")

    def _refuse(self, what: str) -> NoReturn:
        self._type.refuse(self.path, what)


class _Format:
    """How numbers in a cell are shown: as numbers, times or dates.

    Args:
        kind: ``number``, ``date``, ``minutes`` (hours and minutes, which were typed as minutes and
            seconds) or ``seconds``.
        first_day: Day 0.
    """

    def __init__(self, kind: str, first_day: datetime) -> None:
        self.kind, self.first_day = kind, first_day

    @staticmethod
    def of(number: str, code: str, is_1904: bool) -> "_Format":
        """Return the format of a number, or of a code if there is one."""
        day = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)
        known = int(number) if number.isdecimal() and len(number) < 6 else 0
        codes = FORMAT_TEXT.sub("", code.split(";")[0]).lower()
        if known in DATES or any(c in codes for c in "dy"):
            return _Format("date", day)
        if known in CLOCK_FORMATS:
            return _Format("seconds" if CLOCK_FORMATS[known] else "minutes", day)
        if "s" in codes:
            return _Format("seconds", day)
        return _Format("minutes" if "h" in codes and "general" not in codes else "number", day)

    def text(self, value: str) -> str:
        """Return a stored number as text."""
        try:
            number = float(value)
        except ValueError:
            return value
        if self.kind == "number":
            if "e" not in value.lower() or not abs(number) < 1e15:
                return value
            return f"{number:.15f}".rstrip("0").rstrip(".")
        if not 0 <= number < 3e6:  # days
            return value
        if self.kind == "date":
            return (self.first_day + timedelta(days=number)).isoformat(" ", "milliseconds")
        seconds = round(number * 86400 / (60 if self.kind == "minutes" else 1), 3)
        minutes, seconds = divmod(seconds, 60)
        return f"{int(minutes // 60)}:{int(minutes % 60):02}:{seconds:06.3f}"


NUMBER_FORMAT = _Format("number", datetime(1899, 12, 30))


class _Sheet:
    """Handlers of the elements of a sheet, which write its rows as CSV.

    Args:
        book: Workbook.
        strings: Shared strings.
        formats: Formats by style.
        merged: Merged ranges.
    """

    def __init__(
        self, book: Workbook, strings: list[str], formats: list[_Format], merged: "_Merged"
    ) -> None:
        self._book, self._strings, self._formats, self._merged = book, strings, formats, merged
        self.out = io.StringIO()
        self._row, self._column = 0, 0
        self._cells: dict[int, str] = {}
        self._style, self._type = "", ""
        self._parts: dict[str, list[str]] = {}
        self._into: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a row, a cell or a part of a cell."""
        if name == "row":
            self._begin_row(attributes.get("r", ""))
        elif name == "c":
            self._column = self._column_of(attributes.get("r", ""))
            self._style, self._type = attributes.get("s", ""), attributes.get("t", "n")
            self._parts = {}
        elif name in ("v", "f", "t"):
            self._into = self._parts.setdefault(name, [])

    def end(self, name: str) -> None:
        """End a row, a cell or a part of a cell."""
        if name in ("v", "f", "t"):
            self._into = None
        elif name == "c" and self._parts:
            text = self._cell()
            if len(text) > CELL_CHARACTERS:
                self._book._refuse(f"a cell of the workbook has {len(text)} characters")
            if text:
                self._cells[self._column] = text
        elif name == "row":
            self._end_row()

    def text(self, content: str) -> None:
        """Add text to a part of a cell."""
        if self._into is not None:
            self._into.append(content)

    def _begin_row(self, number: str) -> None:
        row = int(number) if number.isdecimal() and len(number) < 9 else self._row + 1
        if (number and not number.isdecimal()) or len(number) >= 9 or row > MOST_ROWS:
            self._book._refuse(f"the workbook has a row {number[:20]}; Excel has {MOST_ROWS} rows")
        if row <= self._row:
            self._book._refuse(f"row {row} of the workbook is not below the row before it")
        self.out.write("\n" * (row - self._row - 1))
        self._row, self._column, self._cells = row, 0, {}

    def _column_of(self, place: str) -> int:
        letters = PLACE.match(place)
        column = _column(letters[0]) if letters else self._column + 1
        if column > MOST_COLUMNS or (place and not letters):
            self._book._refuse(f"the workbook has a cell {place[:20]!r}")
        return column

    def _cell(self) -> str:
        """Return the text of a cell; a formula without a stored value is that formula."""
        value = "".join(self._parts.get("v", ()))
        if self._type == "inlineStr":
            return _line("".join(self._parts.get("t", ())))
        if not value:
            return _line(f"={''.join(self._parts['f'])}") if "f" in self._parts else ""
        if self._type == "s":
            at = int(value) if value.isdecimal() and len(value) < 9 else -1
            if not 0 <= at < len(self._strings):
                self._book._refuse(f"the workbook has no string {value[:20]}")
            return _line(self._strings[at])
        if self._type == "b":
            return "TRUE" if value == "1" else "FALSE"
        if self._type != "n":
            return _line(value)
        style = int(self._style) if self._style.isdecimal() and len(self._style) < 9 else -1
        known = 0 <= style < len(self._formats)
        return _line((self._formats[style] if known else NUMBER_FORMAT).text(value.strip()))

    def _end_row(self) -> None:
        self._merged.fill(self._row, self._cells)
        width = max(self._cells, default=0)
        self.out.write(csv_line([self._cells.get(i, "") for i in range(1, width + 1)]))
        if self.out.tell() > SHEET_CHARACTERS:
            self._book._refuse("the sheet is too large")


class _Merged:
    """Merged ranges of a sheet, filled row by row.

    Args:
        ranges: First row, last row, first column and last column of each range, by first row.
        refuse: Refuses the workbook.
    """

    def __init__(
        self, ranges: list[tuple[int, int, int, int]], refuse: Callable[[str], NoReturn]
    ) -> None:
        self._waiting, self._refuse = sorted(ranges, reverse=True), refuse
        self._open: list[tuple[int, int, int, str]] = []
        self._filled = 0

    def fill(self, row: int, cells: dict[int, str]) -> None:
        """Write the value of each merged range into the cells of a row."""
        if not (self._waiting or self._open):
            return
        while self._waiting and self._waiting[-1][0] <= row:
            first, last, left, right = self._waiting.pop()
            self._open.append((last, left, right, cells.get(left, "") if first == row else ""))
        self._open = [merged for merged in self._open if merged[0] >= row]
        for _, left, right, value in self._open:
            if value:
                self._filled += right - left + 1
                if self._filled > MOST_MERGED:
                    self._refuse("merged cells of the workbook fill too many cells")
                cells.update(dict.fromkeys(range(left, right + 1), value))


def _merged(content: bytes, refuse: Callable[[str], NoReturn]) -> _Merged:
    """Return the merged ranges of a sheet, which come after its rows."""
    ranges = []
    for match in MERGED_RANGE.finditer(content):
        left, top, right, bottom = (part.decode() for part in match.groups())
        ranges.append((int(top), int(bottom), _column(left), _column(right)))
    return _Merged(ranges, refuse)


@lru_cache(maxsize=1 << 15)
def _column(letters: str) -> int:
    """Return the number of a column.

    >>> _column("A"), _column("AA")
    (1, 27)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _line(text: str) -> str:
    """Return the text of a cell on one line, so that rows and lines have the same numbers."""
    return " ".join(text.split("\n")).replace("\r", " ") if "\n" in text or "\r" in text else text
