"""Bounded reading: files that others may have written are opened, read and parsed with limits.

A ``FileType`` says how large a type of file may be and which error refuses one. Nothing but regular
files is opened: opening a pipe waits for a writer, and reading a device may never end.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from fewact.core.errors import UserError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

MAX_DEPTH = 64
"""Number of levels to which objects and lists may be nested."""

MOST_CONTAINERS = 4_000_000
"""Largest number of objects and lists of a JSON file: each takes 56 to 400 bytes of memory."""

MOST_VALUES = 24_000_000
"""Largest number of values of a JSON file: a number takes about 32 bytes of memory."""

UPGRADE = "Upgrade fewact: pip install --upgrade fewact"
"""Hint for a file that a newer version of fewact wrote."""

_LONG_INTEGER = re.compile(r"[0-9]{19}")
_CHUNK = 1 << 20

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class FileType:
    """A type of file: its limit, and the error that refuses a file.

    Args:
        name: Name of the type, such as "result file".
        refusal: Error for a file that cannot be read.
        ceiling: Largest size of a file, in bytes.
        expected: Files that can be read, for messages.
        hint: How to fix it, as a sentence.
    """

    name: str
    refusal: type[UserError]
    ceiling: int
    expected: str = ""
    hint: str = ""

    @property
    def other(self) -> str:
        """Fault of a file of another type."""
        return f"not a{'n' if self.name[0] in 'aeiou' else ''} {self.name}"

    @contextmanager
    def open(self, path: Path) -> Iterator[BinaryIO]:
        """Open a regular file; it is closed when the block ends."""
        fault = f"the {self.name} cannot be read"
        if "\0" in str(path):
            self.refuse(repr(str(path)), fault, "a name with a NUL character")
        try:
            self._check_file(path, os.stat(path))
            # Without O_NONBLOCK, opening a pipe that takes the file's place now would wait.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            with open(os.open(path, flags), "rb") as file:
                self._check_file(path, os.fstat(file.fileno()))
                yield file
        except OSError as error:
            self.refuse(path, fault, error.strerror or str(error))

    def content(self, path: Path) -> bytes:
        """Return the content of a file."""
        with self.open(path) as file:
            return self.limited(file.read, str(path))

    def text(self, path: Path) -> str:
        """Return the text of a file in UTF-8, without its byte order mark."""
        return self.decode(self.content(path), str(path))

    def json(self, path: Path) -> Any:
        """Return the content of a JSON file, see ``parse``."""
        return self.parse(self.text(path), str(path))

    def model(self, path: Path, model: type[M]) -> M:
        """Return the content of a JSON file as a pydantic model."""
        return self.validate(self.json(path), model, str(path))

    def validate(self, content: Any, model: type[M], where: str) -> M:
        """Return parsed content as a pydantic model."""
        try:
            return model.model_validate(content)
        except (ValidationError, RecursionError) as error:
            self._refuse_newer(content, model, where)
            self.refuse(where, self.other, reason_of(error))

    def _refuse_newer(self, content: Any, model: type[BaseModel], where: str) -> None:
        """Refuse content of a newer version than the model's."""
        field = model.model_fields.get("version")
        versions = (
            [literal for literal in get_args(field.annotation) if type(literal) is int]
            if field
            else []
        )
        version = content.get("version") if isinstance(content, dict) else None
        if versions and type(version) is int and version > max(versions):
            raise self.refusal(
                f"the {self.name} was written by a newer version of fewact",
                where=where,
                got=f"version {version} of the format",
                expected=f"version {max(versions)}",
                hint=UPGRADE,
            ) from None

    def toml(self, path: Path) -> dict[str, Any]:
        """Return the content of a TOML file."""
        import tomllib

        text = self.text(path)
        try:
            content: dict[str, Any] = tomllib.loads(text)
            _check_depth(content)
            return content
        except (ValueError, RecursionError) as error:
            self.refuse(path, self.other, reason_of(error))

    def parse(self, text: str, where: str) -> Any:
        """Return the content of JSON text.

        Names must be unique, integers must fit into 64 bits, and objects and lists may be nested
        to a depth of ``MAX_DEPTH``. Their number is limited, and the number of values.
        """
        for count, most in (
            (text.count("[") + text.count("{"), MOST_CONTAINERS),
            (text.count(","), MOST_VALUES),
        ):
            if count > most:
                self.refuse(where, f"the {self.name} has too many parts", f"{count}, not {most}")
        integer = _integer if _LONG_INTEGER.search(text) else None
        try:
            content = json.loads(text, object_pairs_hook=_unique_names, parse_int=integer)
            _check_depth(content)
            return content
        except (ValueError, RecursionError) as error:
            self.refuse(where, self.other, reason_of(error))

    def decode(self, content: bytes, where: str) -> str:
        """Return text in UTF-8, without its byte order mark."""
        try:
            if b"\0" in content:
                raise UnicodeError
            return content.decode("utf-8-sig")
        except UnicodeError:
            self.refuse(where, self.other, "bytes that are not text in UTF-8")

    def limited(self, read: Callable[[int], bytes], where: str) -> bytes:
        """Return all bytes that a function reads, up to the ceiling; it may decompress a file."""
        chunks, size = [], 0
        while chunk := read(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.ceiling:
                self._too_large(where, f"more than {size_text(self.ceiling)}")
        return b"".join(chunks)

    def check_size(self, size: int, where: str) -> None:
        """Check the size of a file in bytes."""
        if size > self.ceiling:
            self._too_large(where, size_text(size))

    def refuse(self, where: str | Path, what: str, got: str = "") -> NoReturn:
        """Raise the error of this type of file."""
        raise self.refusal(
            what, where=str(where), got=got, expected=self.expected, hint=self.hint
        ) from None

    def _check_file(self, path: Path, status: os.stat_result) -> None:
        if stat.S_ISDIR(status.st_mode):
            self.refuse(path, f"the {self.name} cannot be read", "a folder")
        if not stat.S_ISREG(status.st_mode):
            self.refuse(path, f"the {self.name} cannot be read", "not a regular file")
        self.check_size(status.st_size, str(path))

    def _too_large(self, where: str, got: str) -> NoReturn:
        raise self.refusal(
            f"the {self.name} is too large",
            where=where,
            got=got,
            expected=f"at most {size_text(self.ceiling)}",
            hint=self.hint,
        ) from None


def reason_of(error: Exception) -> str:
    """Return the reason of a parser's or pydantic's error, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part)[:60] for part in first["loc"][:6])
        said = first["msg"].removeprefix("Value error, ")
        return (f"{place}: {said}" if place else said)[:300]
    if isinstance(error, RecursionError):
        return f"nested deeper than {MAX_DEPTH} levels"
    return " ".join(str(error).split())[:300]


def size_text(size: int) -> str:
    """Return a number of bytes in a unit that people read.

    >>> size_text(300), size_text(3 << 20), size_text(5 << 30)
    ('300 bytes', '3.0 MiB', '5.0 GiB')
    """
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:60]!r} appears twice")
    return content


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"the integer {text[:20]}… has {len(text)} digits")
    return int(text)


def _check_depth(content: Any) -> None:
    """Refuse content that is nested so deep that comparing or writing it could fail."""
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            if isinstance(container, dict | list)
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise RecursionError
