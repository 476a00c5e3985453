"""Extras: packages that only a part of fewact needs, such as PyTorch for the lab."""

import importlib
import importlib.util
from types import ModuleType

from fewact.core.errors import ExtraError

LAB = "fewact.lab"


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


def import_lab(what: str, module: str) -> ModuleType:
    """Import a module of the lab.

    Args:
        what: Method, network or command that needs it, as in "trx".
        module: Name of the module, as in "fewact.lab.training".

    Raises:
        ExtraError: PyTorch, or another package of the lab, is missing or cannot be loaded.
    """
    check_extra(what, "lab", "torch")
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: torch misses a library of the system
        if (getattr(error, "name", None) or "").partition(".")[0] == "fewact":
            raise
        raise ExtraError(what, "lab", got=f"{error}"[:200]) from error


def is_lab(module: str) -> bool:
    """Return whether a module, by its name, is one of the lab."""
    return module == LAB or module.startswith(f"{LAB}.")
