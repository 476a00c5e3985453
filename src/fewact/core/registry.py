"""Registries of methods, backbones and aligners.

An entry is a class or function, or a string "module:attribute" that is imported on first use:
listing names imports nothing. Other packages add entries by an entry point of the registry's group.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from fewact.core.errors import ExtensionError, UnknownNameError, did_you_mean
from fewact.core.extras import LAB_PACKAGE, import_lab

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


def imported(name: str, target: str) -> Any:
    """Return the attribute of a module of fewact.

    Args:
        name: Method, network or command that needs it, as in "trx".
        target: "module:attribute".

    Raises:
        ExtraError: It is part of the lab, and packages of the lab are not installed.
    """
    module, _, attribute = target.partition(":")
    is_lab = module.startswith(f"{LAB_PACKAGE}.")
    loaded = import_lab(name, module) if is_lab else importlib.import_module(module)
    return getattr(loaded, attribute)


class Registry(Generic[T]):
    """Entries by name.

    Args:
        noun: Word for an entry in error messages, such as "method".
        entries: Entry of each name, or "module:attribute" of it.
        group: Group of the entry points by which other packages add entries; empty for none.
    """

    def __init__(self, noun: str, entries: Mapping[str, str | T], group: str = "") -> None:
        self.noun = noun
        self._entries: dict[str, str | T] = dict(entries)
        self._group = group

    def names(self) -> tuple[str, ...]:
        """Return all names: registered names in their order, then names of other packages."""
        return tuple(dict.fromkeys((*self._entries, *self._extensions)))

    @cached_property
    def _extensions(self) -> dict[str, "EntryPoint"]:
        """Entry points of other packages by name; a registered name is never replaced."""
        from importlib.metadata import entry_points

        entries = entry_points(group=self._group) if self._group else ()
        return {point.name: point for point in entries if point.name not in self._entries}

    def package_of(self, name: str) -> str:
        """Return the package that added a name by an entry point, and its version, or ""."""
        point = None if name in self._entries else self._extensions.get(name)
        return "" if point is None else _package(point)

    def module_of(self, name: str) -> str:
        """Return the module of an entry that has not been imported, or ""."""
        entry = self._entries.get(name)
        return entry.partition(":")[0] if isinstance(entry, str) else ""

    def name_of(self, entry: T) -> str | None:
        """Return the name of a class or function; None if it is not registered.

        Nothing is imported: an entry that exists has been imported.
        """
        values: dict[str, Any] = {name: point.value for name, point in self._extensions.items()}
        for name, value in {**values, **self._entries}.items():
            if isinstance(value, str):
                module, _, attribute = value.partition(":")
                value = getattr(sys.modules.get(module), attribute, None)
            if value == entry:
                return name
        return None

    def get(self, name: str) -> T:
        """Return the entry of a name, imported on first use.

        Raises:
            UnknownNameError: The name is not registered; the message lists the registered names.
            ExtensionError: Another package registers the name, and cannot be imported.
            ExtraError: The entry is part of the lab, and packages of the lab are not installed.
        """
        if name not in self._entries and name in self._extensions:
            return self._load(self._extensions[name])
        if name not in self._entries:
            raise UnknownNameError(
                f"unknown {self.noun}",
                got=repr(name),
                expected=", ".join(self.names()),
                hint=did_you_mean(str(name), self.names()),
            )
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = cast(T, imported(name, entry))
            self._entries[name] = entry
        return entry

    def _load(self, point: "EntryPoint") -> T:
        """Return the entry of an entry point."""
        try:
            return cast(T, point.load())
        except Exception as error:  # The package is not ours: it may raise anything.
            raise ExtensionError(
                f"the package of this {self.noun} cannot be imported",
                where=f"{point.name}, {_package(point)}, {point.value}",
                got=" ".join(f"{type(error).__name__}: {error}".split()),
                hint="Repair or uninstall the package.",
            ) from error

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


def _package(point: "EntryPoint") -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
