"""Times in cells of tables: numbers with a unit, clocks, timecodes with frames, numbers of frames.

What may be meant in two ways is refused: ``1,234`` where a comma may separate thousands.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

FRAME: Final = "frame"
CLOCK: Final = "clock"

VIDEO_RATE: Final = -1.0
"""Frame rate of a span of frames of the video itself, whatever its rate."""

SECONDS_OF: Final = {
    unit: value
    for value, units in (
        (1.0, "ss_msec s sec secs second seconds sek sekunde sekunden seg segs segundo"),
        (1.0, "segundos seconde secondes secondo secondi sekund sekunder sf с сек секунд секунды"),
        (1.0, "秒 초"),
        (1e-3, "ms msec msecs millis millisecond milliseconds millisekunden milisegundos"),
        (1e-3, "millisecondes millisecondi milissegundos мс 毫秒 ミリ秒"),
        (1e-6, "us µs μs microsecond microseconds"),
        (60.0, "min mins minute minutes minuten minutos minuti мин 分 分钟"),
        (3600.0, "h hr hrs hour hours"),
    )
    for unit in units.split()
}
"""Seconds of units in names of columns and in cells."""

_FRAMES = (
    "f fr frm frame frames frame_number frame_no img image images bild bilder cuadro cuadros "
    "fotograma fotogramas fotogramma fotogrammi quadro quadros trame trames кадр кадры 帧 "
    "フレーム 프레임"
)
FRAME_WORDS: Final = frozenset(_FRAMES.split())
"""Names of numbers of frames as a unit."""

_CLOCKS = (
    "hms hmsf hmsms hh:mm:ss hh:mm:ss.ms hh:mm:ss.mmm hh:mm:ss:ff hh:mm:ss.sss hh:mm:ss,ms mm:ss "
    "hh:mm:ss.s h:mm:ss h:m:s m:s mm:ss.ms timecode tc smpte clock time"
)
CLOCK_WORDS: Final = frozenset(_CLOCKS.split())
"""Names of clocks as a unit: their cells say what they are."""

NUMBER_TEXT: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
DOTTED_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+", re.ASCII)
DOTS: Final = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+", re.ASCII)
CLOCK_TEXT: Final = re.compile(
    r"(?:(?P<hours>\d{1,6}):)?(?P<minutes>\d{1,7}):(?P<seconds>\d{1,2}(?:\.\d*)?)", re.ASCII
)
TIMECODE: Final = re.compile(
    r"(?P<hours>\d{1,4}):(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2})(?P<mark>[:;])(?P<rest>\d{1,3})",
    re.ASCII,
)
WITH_UNITS: Final = re.compile(r"(?:\d+(?:\.\d+)?\s*[a-zµμ]+\s*)+", re.ASCII | re.I)
ONE_WITH_UNIT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµμ]+)\s*", re.ASCII | re.I)

MISSING: Final = frozenset(("", "-", "--", "na", "n/a", "nan", "none", "null", "not found", "nil"))
"""Cells without a value, in lower case."""

DROP_FRAME_RATES: Final = (30000 / 1001, 60000 / 1001)
"""Rates whose timecodes with ``;`` leave out numbers of frames."""

Comma = Literal["decimal", "thousands"]


class TimeFault(ValueError):
    """A cell that is no time."""


def is_missing(text: str) -> bool:
    """Return whether a cell has no value.

    >>> is_missing("NA"), is_missing("0")
    (True, False)
    """
    return text == "" or text.lower() in MISSING


def looks_like_time(text: str) -> bool:
    """Return whether a cell is a number or a clock, in any way of writing it.

    >>> [looks_like_time(text) for text in ("4,5", "0:04", "00:00:01:12", "3 s", "wave", "")]
    [True, True, True, True, False, False]
    """
    dotted = text.replace(",", ".").replace("\u202f", "").replace("\xa0", "")
    return any(
        pattern.fullmatch(dotted) for pattern in (NUMBER_TEXT, CLOCK_TEXT, TIMECODE, WITH_UNITS)
    ) or bool(THOUSANDS.fullmatch(text) or DOTTED_THOUSANDS.fullmatch(text))


def looks_like_span(text: str) -> bool:
    """Return whether a cell is two times with decimals or minutes.

    >>> [looks_like_span(text) for text in ("12.6-16.6", "[0:12, 0:16]", "1.5 to 2", "3-4", "a-b")]
    [True, True, True, False, False]
    """
    parts = re.split(r"\s*(?:[-–—~]|, |\bto\b)\s*", text.strip("[]() "))
    return len(parts) == 2 and all(map(looks_like_time, parts)) and bool(re.search("[.:]", text))


@dataclass(frozen=True)
class TimeCells:
    """How the cells of times in a table are read.

    Args:
        comma: What a comma means in a number.
    """

    comma: Comma = "decimal"

    @staticmethod
    def of(cells: Iterable[str]) -> "TimeCells":
        """Return how these cells are to be read.

        Raises:
            TimeFault: A comma may mean thousands or decimals, or means both.
        """
        decimal, thousands, either = "", "", ""
        dotted = ""
        for cell in cells:
            if "," not in cell or ":" in cell:
                dotted = cell if "." in cell and DOTS.fullmatch(cell) else dotted
                continue
            if THOUSANDS.fullmatch(cell):
                if "." in cell or cell.count(",") > 1:
                    thousands = cell
                else:
                    either = either or cell
            else:
                decimal = decimal or cell
        if decimal and thousands:
            raise TimeFault(f"a comma means decimals in {decimal!r} and thousands in {thousands!r}")
        if either and not (decimal or thousands):
            raise TimeFault(f"{either!r} may be a number with decimals, or one above a thousand")
        if decimal and dotted:
            raise TimeFault(f"a comma means decimals in {decimal!r}; what is {dotted!r}?")
        return TimeCells("thousands" if thousands else "decimal")

    def number(self, text: str) -> float | None:
        """Return the finite number of a cell; None if it is none."""
        if "," in text:
            if self.comma == "thousands":
                text = text.replace(",", "") if THOUSANDS.fullmatch(text) else ""
            elif DOTTED_THOUSANDS.fullmatch(text):
                text = text.replace(".", "").replace(",", ".")
            else:
                text = text.replace(",", ".")
        if not NUMBER_TEXT.fullmatch(text):
            return None
        value = float(text)
        return value if math.isfinite(value) else None

    def seconds(self, text: str, unit: str, rate: Callable[[], float]) -> float:
        """Return the seconds of a cell.

        Args:
            text: Cell, not missing.
            unit: Unit in the name of its column: one of ``SECONDS_OF``, or empty for seconds.
            rate: Returns the frames per second of timecodes; 0 if they are not known.

        Raises:
            TimeFault: The cell is no time.
        """
        value = self.number(text)
        if value is not None:
            if unit == CLOCK:
                unit = ""
            return round(value * SECONDS_OF[unit], 9) if unit else value
        if match := CLOCK_TEXT.fullmatch(text.replace(",", ".")):
            return _clock(text, match)
        if match := TIMECODE.fullmatch(text):
            return _timecode(text, match, rate)
        if WITH_UNITS.fullmatch(text.replace(",", ".")):
            parts = ONE_WITH_UNIT.findall(text.replace(",", "."))
            if all(name.lower() in SECONDS_OF or name == "m" for _, name in parts):
                return sum(
                    float(n) * (60.0 if name == "m" else SECONDS_OF[name.lower()])
                    for n, name in parts
                )
        if text.startswith("="):
            raise TimeFault("a formula without its value: open the workbook, and save it")
        raise TimeFault(f"no time: {text[:40]!r}")


def _clock(text: str, match: re.Match[str]) -> float:
    hours, minutes, remainder = (float(part or 0) for part in match.groups())
    if remainder >= 60 or (match["hours"] and minutes >= 60):
        raise TimeFault(f"no time: {text[:40]!r}")
    return 3600 * hours + 60 * minutes + remainder


def _timecode(text: str, match: re.Match[str], rate: Callable[[], float]) -> float:
    """Return the seconds of hours, minutes, seconds, and frames or milliseconds (three digits)."""
    hours, minutes, second = (int(match[name]) for name in ("hours", "minutes", "seconds"))
    if minutes >= 60 or second >= 60:
        raise TimeFault(f"no time: {text[:40]!r}")
    whole = 3600 * hours + 60 * minutes + second
    if len(match["rest"]) == 3 and match["mark"] == ":":
        return whole + int(match["rest"]) / 1000
    fps = rate()
    if not fps:
        raise TimeFault(f"{text} counts frames, and the rate is not known")
    nominal, frame = round(fps), int(match["rest"])
    if frame >= nominal:
        raise TimeFault(f"{text} has frame {frame}, at {fps:g} frames per second")
    count = whole * nominal + frame
    if match["mark"] == ";" and any(math.isclose(fps, r, rel_tol=1e-3) for r in DROP_FRAME_RATES):
        passed = 60 * hours + minutes
        count -= nominal // 15 * (passed - passed // 10)
    return count / fps
