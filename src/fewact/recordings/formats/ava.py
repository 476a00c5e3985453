"""Events of AVA: tables without a header, with a row for each action of a person at a time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fewact.data.cells import header_line, table_rows
from fewact.recordings.formats.account import note
from fewact.recordings.formats.event import Row

AVA_NUMBER: Final = r"\d+(?:\.\d+)?"
ROW: Final = re.compile(rf'"?[\w.-]+"?,{AVA_NUMBER}(?:,(?:[01](?:\.\d*)?|)){{4}},\d+(?:,\d+)?\s*')
"""Video, time, four sides of a box from 0 to 1, action, and perhaps a person."""


def is_ava(path: Path, text: str) -> bool:
    """Whether a table has rows as in AVA."""
    return path.suffix.lower() == ".csv" and ROW.fullmatch(header_line(text)) is not None


def read_ava(path: Path, text: str) -> Iterator[Row]:
    """Yield a point event for each row, at the middle of its segment; the class is a number."""
    yield note("boxes are fractions of the frame, and are ignored; actions are numbers, as in AVA")
    for line, cells in table_rows(path, text, ","):
        where = f"line {line}"
        if not ROW.fullmatch(",".join(cells)):
            yield where, {"fault": "not a row of AVA"}
            continue
        video, time, *_, action = cells[:7]
        subject = cells[7] if len(cells) > 7 else ""
        times = {"start": time, "end": time}
        yield where, {"recording": video, "label": action, "subject": subject, **times}
