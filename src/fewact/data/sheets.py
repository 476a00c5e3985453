"""Text of tables: its encoding is detected by content, and a sheet of a workbook is text of CSV.

``FILE.xlsx#Sheet`` names a sheet.
"""

import codecs
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from fewact.core.bounded import FileType
from fewact.core.paths import WORKBOOK_SUFFIXES, file_and_sheet
from fewact.core.text_table import printable
from fewact.data.files import first_few
from fewact.data.workbooks import OLE_SIGNATURE, ZIP_SIGNATURE, Workbook

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, with the encodings that they announce."""

SAMPLE_BYTES: Final = 4096
"""Bytes in which zeros show UTF-16 without a byte order mark."""

NUL: Final = re.compile("\0")
CONTROLS: Final = re.compile("[\0-\x08\x0e-\x1f]")
"""Characters that no text in UTF-16 has: they show bytes that are no text."""

WESTERN: Final = re.compile("[A-Za-zÀ-ÖØ-öø-ÿŒœŠšŽžŸ–—‘’“”„…€°²³µ·½«»©®´¿¡§ª\xa0]")
"""Characters of Western European text beyond ASCII, and letters of ASCII."""

FOREIGN_RUN: Final = re.compile("[À-ÖØ-öø-ÿŒœŠšŽžŸ]{3}")
"""Accented letters in a row: text of another encoding, such as a Cyrillic one."""


class Sheet(NamedTuple):
    """A table as text.

    Args:
        name: Name of the sheet; empty for a text file.
        text: Text with separators.
        note: What the reader must know, such as a guessed encoding; empty if nothing.
    """

    name: str
    text: str
    note: str = ""


def sheets_of(path: Path, type: FileType) -> list[Sheet]:
    """Return the sheets of a workbook with content, or the text of a file.

    Args:
        path: File, or ``FILE.xlsx#Sheet`` for one sheet.
        type: Type of file, for its limit and errors.

    Raises:
        UserError: The file cannot be read, its encoding is unknown, or it has no such sheet.
    """
    file, name = file_and_sheet(path)
    with type.open(file) as opened:
        status = os.fstat(opened.fileno())
    return [*_sheets(file, name, type, (status.st_mtime_ns, status.st_size, status.st_ino))]


@lru_cache(maxsize=2)
def _sheets(
    file: Path, name: str, type: FileType, version: tuple[int, int, int]
) -> tuple[Sheet, ...]:
    """Return the sheets; the commands read a table several times."""
    content = type.content(file)
    if content.startswith(OLE_SIGNATURE):
        type.refuse(file, "an old or encrypted workbook; save it as .xlsx without a password")
    if content.startswith(ZIP_SIGNATURE):
        book = Workbook(file, content, type)
        if name and name not in book.names:
            type.refuse(file, f'there is no sheet "{name}"', first_few(book.names))
        sheets = [Sheet(sheet, book.text(sheet)) for sheet in ([name] if name else book.names)]
        return tuple(sheet for sheet in sheets if sheet.text.strip()) or tuple(sheets[:1])
    if file.suffix.lower() in WORKBOOK_SUFFIXES:
        type.refuse(file, "not a workbook of Excel, by its content")
    text, encoding = decoded(content, file, type)
    note = ""
    if encoding == "cp1252":
        sample = "".join(dict.fromkeys(c for c in text if c > "\x7f"))[:12]
        note = f"read as Windows-1252 ({printable(sample)}): save it as UTF-8 if this is wrong"
    return (Sheet("", text, note),)


def decoded(content: bytes, path: Path, type: FileType) -> tuple[str, str]:
    """Return the text of a file without its byte order mark, and its encoding.

    UTF-8, UTF-16 and UTF-32 are detected; other bytes are Windows-1252 if they give Western
    European text.

    Raises:
        UserError: The encoding is another one.
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "")
    if not encoding and b"\0" in content:
        encoding = _without_mark(content[:SAMPLE_BYTES])
    try:
        text = content.decode(encoding or "utf-8")
        if not (CONTROLS if encoding else NUL).search(text):
            return text, encoding or "utf-8"
    except UnicodeError:
        if not encoding and (western := _western(content)):
            return western, "cp1252"
    type.refuse(path, type.other, "bytes that are not text in UTF-8, UTF-16 or Windows-1252")


def _without_mark(sample: bytes) -> str:
    """Return the encoding of UTF-16 without a mark; empty if it is another one."""
    for name, zeros, others in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if sample[zeros::2].count(0) > len(sample) // 10 > 4 * sample[others::2].count(0):
            return name
    return ""


def _western(content: bytes) -> str:
    """Return Windows-1252 as text; empty if it is no Western European text."""
    try:
        text = content.decode("cp1252")
    except UnicodeError:
        return ""
    beyond = [character for character in set(text) if character > "\x7f"]
    if not all(map(WESTERN.fullmatch, beyond)) or FOREIGN_RUN.search(text):
        return ""
    return "" if "\0" in text else text
