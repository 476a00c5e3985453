"""Account of a document: each field, tier and element is used, named as ignored, or refused."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fewact.core.errors import DataError
from fewact.data.files import first_few
from fewact.recordings.formats.event import EVENTS, Row

MEANINGFUL: Final = re.compile(
    r"tim[ei]|dur|start|stop|begin|end|onset|offset|frame|fps|rate|sec|millis|subject|actor|animal"
    r"|individual|person|track|label|class|behav|action|event|rater|observer|annotator",
    re.IGNORECASE,
)
"""Names that look like a time, a rate, a person or a class: they are never ignored unknown."""


class Account:
    """What was ignored in a file, and the refusal of what is not understood.

    Args:
        path: File, for errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ignored: dict[str, None] = {}
        self._known: set[tuple[str, str]] = set()

    def check(
        self,
        place: str,
        names: Iterable[str],
        used: str,
        ignored: str = "",
        *,
        strict: bool = False,
    ) -> None:
        """Account for the names of an object or element.

        Args:
            place: What has the names, such as "region".
            names: Names that are there.
            used: Names that are read, separated by spaces.
            ignored: Names that are known to say nothing about an event.
            strict: Whether any unknown name is refused: what holds events has another name.

        Raises:
            DataError: A name is unknown, and looks like a time, a rate, a person or a class.
        """
        present = list(names)
        for name in present:
            if (place, name) in self._known:
                continue
            self._known.add((place, name))
            if name in used.split():
                continue
            if name not in ignored.split() and (strict or MEANINGFUL.search(name)):
                raise DataError(
                    f'the field "{name[:60]}" of a {place} is not understood',
                    where=str(self._path),
                    got=first_few((n[:40] for n in present), 12),
                    expected=", ".join(used.split()),
                )
            self.ignore(place, name)

    def ignore(self, place: str, name: str) -> None:
        """Name something as ignored, once."""
        self._ignored.setdefault(f"{place}.{name[:40]}")

    def note(self) -> Row:
        """Return the row that names what was ignored; empty if nothing was."""
        return note(f"ignored: {first_few(self._ignored, 12)}" if self._ignored else "")


def note(text: str) -> Row:
    """Return a row that is no event, but a sentence about the file."""
    return "", {"note": text}


def counted(number: int, one: str, several: str) -> str:
    """Return a number with its noun; empty for 0.

    >>> counted(1, "event was", "events were"), counted(3, "event was", "events were")
    ('1 event was', '3 events were')
    """
    return f"{number} {one if number == 1 else several}" if number else ""


def mapping(path: Path, value: Any, what: str) -> Mapping[str, Any]:
    """Return a value that must be an object.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(value, Mapping):
        EVENTS.refuse(path, f"{what} is no object", type(value).__name__)
    return value
