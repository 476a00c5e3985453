"""Options without effect: refused instead of ignored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

from fewact.core.errors import OptionError

NO_VALUE = object()
"""Default of ``Effect.off``: no value switches the option off."""


@dataclass(frozen=True)
class Effect:
    """When an option has an effect.

    Args:
        option: Name of the option, dotted for an option of a group.
        holds: Whether it has an effect with the other options.
        reason: Option because of which it has none, such as ``alignment.name=otam``.
        needs: Options with which it has an effect.
        off: Value that switches it off, which is never refused.
    """

    option: str
    holds: bool
    reason: str
    needs: str
    off: Any = NO_VALUE


def refuse_without_effect(
    options: Any, effects: Iterable[Effect], preset: Mapping[str, Any] | None = None
) -> None:
    """Refuse options that were set to something else than their default and have no effect.

    Args:
        options: Dataclass of options.
        effects: Conditions under which each option has an effect.
        preset: Defaults by option name, where they are not the defaults of the dataclass.

    Raises:
        OptionError: An option has no effect with the others.
    """
    defaults = {field.name: field.default for field in fields(options)}
    for effect in effects:
        if effect.holds:
            continue
        name, *path = effect.option.split(".")
        value = reduce(getattr, path, getattr(options, name))
        default = reduce(getattr, path, defaults[name])
        if value in ((preset or {}).get(effect.option, default), effect.off):
            continue
        raise OptionError(
            f"has no effect with {effect.reason}",
            where=f'option "{effect.option}"',
            got=str(value),
            expected=effect.needs,
            hint="Otherwise leave the option out.",
        )
