"""Options of methods: frozen dataclasses, options of other options, and limits of memory."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, TypeVar, cast, dataclass_transform, get_type_hints

import pydantic
from pydantic import BaseModel, ConfigDict

from fewact.core.errors import OptionError

OptionsClass = TypeVar("OptionsClass", bound=type)


class OptionModel(BaseModel):
    """Options with dotted names; unlike a dataclass, it knows which of them were set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Only:
    """Metadata of an option that has an effect only with some values of another option.

    It is refused with the others unless it has its default value, instead of being ignored.

    Args:
        option: Name of the other option, dotted for an option of a group.
        values: Values of the other option with which this one has an effect.
        when: Function that says so of a value, instead of values.
        needs: These values in words; default: the values.
        off: Value of this option that switches it off, which is never refused.
    """

    def __init__(
        self,
        option: str,
        *values: str,
        when: Callable[[Any], bool] | None = None,
        needs: str | Callable[[], str] = "",
        off: Any = NotImplemented,
    ) -> None:
        self.option, self.off = option, off
        self.holds = when or values.__contains__
        self._needs = needs or f"{option} {' or '.join(values)}"

    @property
    def needs(self) -> str:
        return self._needs if isinstance(self._needs, str) else self._needs()


@dataclass_transform(frozen_default=True)
def options_dataclass(options: OptionsClass) -> OptionsClass:
    """Make a class of options a frozen dataclass, whose values pydantic checks.

    Options that are marked by ``Only`` are refused where they have no effect. If their defaults
    depend on a preset, ``preset_defaults`` returns these by name.
    """
    inherited: Callable[[Any], None] = getattr(options, "__post_init__", lambda self: None)

    def check(self: Any) -> None:
        inherited(self)
        refuse_without_effect(self, getattr(self, "preset_defaults", {}))

    options.__post_init__ = check  # type: ignore[attr-defined]
    make = pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
    return cast(OptionsClass, make(options))


def refuse_without_effect(options: Any, preset: Mapping[str, Any]) -> None:
    """Refuse options that have no effect with the others and are not at their default."""
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        value = getattr(options, name, None)
        if isinstance(value, BaseModel):
            for option, field in type(value).model_fields.items():
                default = preset.get(f"{name}.{option}", field.default)
                checked = f"{name}.{option}", getattr(value, option), default
                _refuse_marked(options, *checked, metadata=field.metadata)
        else:
            default = preset.get(name, getattr(type(options), name, None))
            _refuse_marked(
                options, name, value, default, metadata=getattr(hint, "__metadata__", ())
            )


def _refuse_marked(options: Any, name: str, value: Any, default: Any, metadata: Any) -> None:
    for mark in metadata:
        if not isinstance(mark, Only) or value in (default, mark.off):
            continue
        with_value = reduce(getattr, mark.option.split("."), options)
        if mark.holds(with_value):
            continue
        text = ",".join(with_value) if isinstance(with_value, tuple) else with_value
        raise OptionError(
            f"has no effect with {mark.option}={text}",
            where=f'option "{name}"',
            got=str(value),
            expected=mark.needs,
            hint="Otherwise leave the option out.",
        )


GIB = 1 << 30

MAX_NODES = 1 * GIB
"""Bytes that the nodes of one video may take."""


def check_nodes(of: str, size: int) -> None:
    """Refuse options, by their names, with which the nodes of one video take too many bytes."""
    if size > MAX_NODES:
        raise OptionError(
            "too large together",
            where=of,
            got=f"{size / GIB:.1f} GiB for each video",
            expected=f"at most {MAX_NODES // GIB} GiB",
        )
