"""The first sheet of an Excel workbook as text, for the readers of tables."""

import zipfile
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from fewact.core.text_table import csv_line
from fewact.data.events.event import EVENTS


def sheet_text(path: Path) -> str:
    """Return the first sheet as CSV; it needs openpyxl."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        EVENTS.refuse(path, "an Excel file needs openpyxl: pip install 'fewact[excel]'")
    with EVENTS.open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                EVENTS.check_size(sum(part.file_size for part in archive.infolist()), str(path))
            book = load_workbook(file, read_only=True, data_only=True)
            rows = book.worksheets[0].iter_rows()
            return "".join(csv_line([_text(cell) for cell in row]) for row in rows)
        except (
            zipfile.BadZipFile,
            KeyError,
            IndexError,
            ValueError,
            OSError,
            SyntaxError,
        ) as error:
            EVENTS.refuse(path, f"not a workbook of Excel: {error}")


def _text(cell: Any) -> str:
    """Return the text of a cell; Excel reads 1:02 as hours and minutes, and shows it as typed."""
    value = cell.value
    if isinstance(value, time):
        value = datetime.combine(datetime.min, value) - datetime.min
    if not isinstance(value, timedelta):
        return "" if value is None else str(value)
    return f"{value.total_seconds() / (1 if 's' in cell.number_format else 60):.3f}"
