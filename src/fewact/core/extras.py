"""Extras: packages that only a part of fewact needs, such as PyTorch for the lab."""

import importlib
import importlib.util
import traceback
from pathlib import Path
from types import ModuleType

from fewact.core.errors import ExtraError

LAB_PACKAGE = "fewact.lab"
LAB_EXTRA = "lab"

WRITTEN_BY = {".nwb": ("a file of NWB", "nwb", "pynwb", "ndx_ethogram")}
"""Part, extra and modules of packages that write files of an extension."""


def check_extra(what: str, name: str, *modules: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        what: Part that needs them, as in "the page".
        name: Name of the extra.
        modules: Top-level modules of its packages.

    Raises:
        ExtraError: A package is missing.

    >>> check_extra("training", "lab", "a_package_that_is_missing")
    Traceback (most recent call last):
    ...
    fewact.core.errors.ExtraError: training needs pip install "fewact[lab]" (got no \
a_package_that_is_missing)
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ExtraError(what, name, got=f"no {', '.join(missing)}")


def check_extra_of(path: Path) -> None:
    """Check that the packages are installed that write a file of this extension.

    Raises:
        ExtraError: A package is missing.
    """
    if needed := WRITTEN_BY.get(path.suffix.lower()):
        check_extra(*needed)


def import_lab(what: str, module: str) -> ModuleType:
    """Import a module of the lab.

    Args:
        what: Method, network or command that needs it, as in "trx".
        module: Name of the module, as in "fewact.lab.training".

    Raises:
        ExtraError: PyTorch, or another package of the lab, is missing or cannot be loaded.
    """
    check_extra(what, LAB_EXTRA, "torch")
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: torch misses a library of the system
        if _is_of_fewact(error):
            raise
        raise _unloaded(what, error) from error


def fault_of_lab(what: str, error: ImportError | OSError) -> ExtraError | None:
    """Return the error to show if a package failed while a module of the lab imported it.

    A command of the lab reads its arguments first, and imports such modules later.

    Args:
        what: Command that ended with the error.
        error: Error with its traceback.
    """
    modules = (
        str(frame.f_globals.get("__name__"))
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>"
    )
    is_fault = any(map(is_lab, modules)) and not _is_of_fewact(error)
    return _unloaded(what, error) if is_fault else None


def _is_of_fewact(error: ImportError | OSError) -> bool:
    return (getattr(error, "name", None) or "").partition(".")[0] == "fewact"


def _unloaded(what: str, error: ImportError | OSError) -> ExtraError:
    return ExtraError(what, LAB_EXTRA, got=f"{error}"[:200])


def is_lab(module: str) -> bool:
    """Return whether a module, by its name, is one of the lab."""
    return module == LAB_PACKAGE or module.startswith(f"{LAB_PACKAGE}.")
