"""Methods in a Python file of the user's."""

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from fewact import methods
from fewact.core.errors import ExtensionError, did_you_mean
from fewact.methods.base import Method
from fewact.methods.protocols import LabClass

MODULE = "fewact_method_file_"
"""Beginning of the name of a file's module."""


def methods_of(path: str | Path) -> dict[str, type[Any]]:
    """Return the methods that a Python file defines, by registered name or name of the class.

    The file is executed, as ``import`` does.

    Args:
        path: Python file.

    Raises:
        ExtensionError: The file cannot be executed, or defines no method.
    """
    path = Path(path).expanduser()
    module = _execute(path)
    classes = [
        (name, member)
        for name, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
        and (issubclass(member, Method) or isinstance(member, LabClass))
    ]
    defined: dict[str, type[Any]] = {
        methods.REGISTRY.name_of(member) or name: member
        for name, member in classes
        if not inspect.isabstract(member)
    }
    if not defined:
        missing = (f"{name} without {', '.join(_missing(member))}" for name, member in classes)
        raise ExtensionError(
            "the file defines no method",
            where=str(path),
            got="; ".join(missing),
            expected="a class derived from fewact.methods.base.Method, or from TorchMethod of the "
            "lab, with all of its members",
        )
    return defined


def import_methods(path: str | Path) -> tuple[str, ...]:
    """Register the methods that a Python file defines, by default under the names of their classes.

    Args:
        path: Python file, which is executed.

    Returns:
        Names of the methods.

    Raises:
        ExtensionError: The file cannot be executed, or defines no method.
        UnknownNameError: A name is registered already.
    """
    defined = methods_of(path)
    for name, method in defined.items():
        if methods.REGISTRY.name_of(method) is None:
            methods.register(name)(method)
    return tuple(defined)


def method_of(path: str | Path, name: str | None = None) -> tuple[str, type[Any]]:
    """Return a method of a Python file, and its name.

    Args:
        path: Python file.
        name: Name of the method; may be left out if the file defines a single one.

    Raises:
        ExtensionError: The file cannot be executed, or does not define this method.
    """
    defined = methods_of(path)
    if name is None and len(defined) == 1:
        return next(iter(defined.items()))
    if name is None or name not in defined:
        raise ExtensionError(
            "which method of the file?" if name is None else "the file has no such method",
            where=str(path),
            got=name or "no name",
            expected=", ".join(defined),
            hint=did_you_mean(name or "", defined),
        )
    return name, defined[name]


def imported_file(method: type[Any]) -> Path | None:
    """Return the file that ``import_methods`` executed for a method; None for other methods."""
    return methods.file_of(method) if method.__module__.startswith(MODULE) else None


def _missing(method: type[Any]) -> list[str]:
    return sorted(getattr(method, "__abstractmethods__", ()))


def place_in_file(error: BaseException) -> str:
    """Return the file of a user's method and the line in which an error was raised; or nothing."""
    files = {module.__file__ for name, module in sys.modules.items() if name.startswith(MODULE)}
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{module.filename}, line {module.lineno}" for module in frames if module.filename in files
    ]
    return places[-1] if places else ""


class _Uncached(SourceFileLoader):
    """Compiles a file each time it is executed.

    Python reuses stored bytecode if the file's size and the second of its last change are the same.
    An edit within the same second would then have no effect.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _execute(path: Path) -> ModuleType:
    # Of the full path: files of one name in two folders are two modules.
    name = MODULE + hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file():
        raise ExtensionError("there is no such file", where=str(path), expected="a file FILE.py")
    if spec is None or spec.loader is None:
        raise ExtensionError("not a Python file", where=str(path), expected="a file FILE.py")
    if isinstance(spec.loader, SourceFileLoader):
        spec.loader = _Uncached(name, spec.loader.path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    # Whatever the user's file raises is the user's to fix.
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == spec.origin
        ]
        raise ExtensionError(
            "the file cannot be executed",
            where=f"{path}, line {lines[-1]}" if lines else str(path),
            got=" ".join(f"{type(error).__name__}: {error}".split()),
        ) from None
    return module
