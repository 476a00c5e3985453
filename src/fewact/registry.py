"""Names for things that are made from options: methods, backbones, aligners.

An entry is a class or function, or "module:attribute", which is imported when it is first asked
for: listing names costs nothing.
"""

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from fewact.errors import OptionError, UnknownNameError, did_you_mean

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741


class Registry(Generic[T]):
    """Things of one kind by name.

    Args:
        kind: What an entry is, for error messages: "method".
        entries: For each name "module:attribute", or the thing itself.
    """

    def __init__(self, kind: str, entries: Mapping[str, str | T]) -> None:
        self.kind = kind
        self._entries: dict[str, str | T] = dict(entries)

    def names(self) -> tuple[str, ...]:
        """All registered names, in the order of registration."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """The entry of a name, imported if need be.

        Raises:
            UnknownNameError: No such name; the message lists those that exist.
        """
        if name not in self._entries:
            raise UnknownNameError(
                f"there is no {self.kind} of this name",
                got=repr(name),
                expected=", ".join(self._entries),
                hint=did_you_mean(str(name), self._entries),
            )
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = cast(T, getattr(importlib.import_module(module), attribute))
            self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds a class or function under a name of your own.

        Raises:
            UnknownNameError: The name is taken.
        """
        if name in self._entries:
            raise UnknownNameError(f"there is already a {self.kind} of this name", got=repr(name))

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add


def check_options(given: Iterable[str], known: Collection[str], *, of: str) -> None:
    """Refuse options that do not exist.

    Args:
        given: Their names.
        known: The names that exist.
        of: Whose options they are, for the error message.

    Raises:
        OptionError: An unknown name; the message lists those that exist.
    """
    for name in given:
        if name not in known:
            raise OptionError(
                f'{of} has no option "{name}"',
                expected=", ".join(known) or "no options",
                hint=did_you_mean(name, known),
            )


def make_options(kind: type[O], given: Mapping[str, Any], *, of: str) -> O:
    """Make a frozen dataclass of options from keyword arguments.

    Args:
        kind: A pydantic dataclass.
        given: Option names and values.
        of: Whose options they are, for error messages.

    Raises:
        OptionError: An unknown name or a value that is not accepted.
    """
    from pydantic import ValidationError

    known = tuple(getattr(kind, "__dataclass_fields__", {}))
    check_options(given, known, of=of)
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else "options"
        raise OptionError(
            first["msg"][:1].lower() + first["msg"][1:],
            where=f'{of}, option "{option}"',
            got=repr(given.get(option, first.get("input"))),
        ) from None
