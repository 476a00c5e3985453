"""Registries of methods, backbones and aligners, and their options.

An entry is a class or function, or a string "module:attribute" that is imported on first use:
listing names imports nothing.
"""

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from fewact.errors import OptionError, UnknownNameError, did_you_mean

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741


class Registry(Generic[T]):
    """Entries by name.

    Args:
        noun: Word for an entry in error messages, such as "method".
        entries: Entry of each name, or "module:attribute" of it.
    """

    def __init__(self, noun: str, entries: Mapping[str, str | T]) -> None:
        self.noun = noun
        self._entries: dict[str, str | T] = dict(entries)

    def names(self) -> tuple[str, ...]:
        """Return all registered names, in the order of registration."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """Return the entry of a name, imported on first use.

        Raises:
            UnknownNameError: The name is not registered; the message lists those that are.
        """
        if name not in self._entries:
            raise UnknownNameError(
                f"unknown {self.noun}",
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
        """Return a decorator that registers a class or function under a name.

        Raises:
            UnknownNameError: The name is already registered.
        """
        if name in self._entries:
            raise UnknownNameError(f"this {self.noun} is already registered", got=repr(name))

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add


def check_options(names: Iterable[str], known: Collection[str], *, of: str) -> None:
    """Refuse options that do not exist.

    Args:
        names: Option names to check.
        known: Option names that exist.
        of: Owner of the options, for the error message.

    Raises:
        OptionError: A name is unknown; the message lists those that exist.
    """
    for name in names:
        if name not in known:
            raise OptionError(
                f'{of} has no option "{name}"',
                expected=", ".join(known) or "no options",
                hint=did_you_mean(name, known),
            )


def make_options(options: type[O], values: Mapping[str, Any], *, of: str) -> O:
    """Build an options dataclass from keyword arguments.

    Args:
        options: Pydantic dataclass of the options.
        values: Option names and values.
        of: Owner of the options, for error messages.

    Raises:
        OptionError: A name is unknown or a value is invalid.
    """
    from pydantic import ValidationError

    known = tuple(getattr(options, "__dataclass_fields__", {}))
    check_options(values, known, of=of)
    try:
        return options(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]) if first["loc"] else "options"
        raise OptionError(
            first["msg"][:1].lower() + first["msg"][1:],
            where=f'{of}, option "{option}"',
            got=repr(values.get(option, first.get("input"))),
        ) from None
