"""Few-shot methods of papers, one file each, as modules of PyTorch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fewact.methods import REGISTRY, fitting, name_of, names, register, resolve

if TYPE_CHECKING:
    from fewact.lab.methods.base import TorchMethod
    from fewact.networks.card import Card

__all__ = ["REGISTRY", "create", "fitting", "name_of", "names", "register", "resolve", "stand_in"]


def create(name: str = "auto", card: "Card | None" = None, /, **options: Any) -> "TorchMethod":
    """Create a method over tensors; a method over arrays is behind an adapter.

    Args:
        name: One of ``names()``, or ``auto``, see ``resolve``.
        card: Card of the backbone; with it, options that follow from the backbone need not be set.
        **options: Fields of the method's ``Options``.

    Raises:
        UnknownNameError: There is no method of this name.
        OptionError: There is no such option, its value is invalid, or the options together need
            too much memory.
    """
    from fewact.lab.methods.adapters import on_tensors
    from fewact.methods import make

    return on_tensors(make(name, card, **options))


def stand_in(name: str, options: Mapping[str, Any]) -> "TorchMethod":
    """Return a method for a small made-up backbone; its properties are those for any backbone."""
    from fewact.methods.cards import made_up_card

    return create(name, made_up_card(), **options)
