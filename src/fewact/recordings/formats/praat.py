"""Events of Praat: TextGrids in their long or short form.

Intervals without text are silence, and no events; the points of a text tier are point events.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fewact.recordings.formats.account import counted, note
from fewact.recordings.formats.event import EVENTS, Row

TOKEN: Final = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?P<flag><\w+>)'
    r"|(?:(?<=\s)|^)(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=\s|$)",
    re.MULTILINE,
)
"""Values of a TextGrid: texts, flags and numbers; the rest of the long form is for people."""

INTERVAL_TIER: Final = "IntervalTier"
POINT_TIER: Final = "TextTier"
MOST_TOKENS: Final = 5_000_000

Value = str | float


def is_textgrid(path: Path, text: str) -> bool:
    """Whether a file is a TextGrid."""
    return "ooTextFile" in text[:200] and "TextGrid" in text[:300]


def read_textgrid(path: Path, text: str) -> Iterator[Row]:
    """Yield the intervals and points of all tiers; the class is the text, the tier may be chosen.

    Raises:
        DataError: The file has another form.
    """
    values = _values(path, text)
    empty = 0
    try:
        if [next(values) for _ in range(2)] != ["ooTextFile", "TextGrid"]:
            raise ValueError
        first = _number(next(values))
        _number(next(values))
        if first:
            yield note(f"its times begin at {first:g} s, as in the file")
        tiers = int(_number(next(values))) if next(values) == "<exists>" else 0
        for _ in range(tiers):
            kind, name = str(next(values)), str(next(values))
            _number(next(values)), _number(next(values))
            for position in range(1, int(_number(next(values))) + 1):
                where = f'tier "{name}", {position}'
                start = end = _number(next(values))
                if kind == INTERVAL_TIER:
                    end = _number(next(values))
                elif kind != POINT_TIER:
                    raise ValueError
                label = str(next(values)).strip()
                if label:
                    yield where, {"label": label, "start": start, "end": end, "tier": name}
                else:
                    empty += 1
        if next(values, None) is not None:
            raise ValueError
    except (ValueError, StopIteration):
        EVENTS.refuse(path, "not a TextGrid of Praat")
    yield note(
        counted(empty, "interval without text is no event", "intervals without text are no events")
    )


def _values(path: Path, text: str) -> Iterator[Value]:
    for count, match in enumerate(TOKEN.finditer(text)):
        if count > MOST_TOKENS:
            EVENTS.refuse(path, f"the file has more than {MOST_TOKENS} values")
        if match["number"] is not None:
            yield float(match["number"])
        else:
            yield match["flag"] or match["text"].replace('""', '"')


def _number(value: Value) -> float:
    if not isinstance(value, float):
        raise ValueError
    return value
