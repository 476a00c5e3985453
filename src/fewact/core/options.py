"""Options of methods, backbones and aligners, and specs: frozen values that users request.

Both are checked when they are made. The command line is derived from the specs.
"""

import inspect
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from fewact.core.errors import OptionError, UserError, did_you_mean, invalid_value

AUTO: Final = "auto"
"""Value of an option that is chosen: what is installed, or what fits."""

OFF: Final = "off"
"""Value of an option that is turned off."""

O = TypeVar("O")  # noqa: E741

LARGEST_SIZE = 1 << 16
"""Largest number of frames, channels or cells in an option."""


@dataclass(frozen=True)
class NoOptions:
    """Options of a method or a network that has none."""


def check_options(names: Iterable[str], valid: Collection[str], *, of: str) -> None:
    """Refuse options that do not exist; ``of`` is their owner, for the message."""
    for name in names:
        if name not in valid:
            dotted = next((option for option in valid if option.endswith(f".{name}")), name)
            raise OptionError(
                f'{of} has no option "{name}"',
                expected=", ".join(valid) or "no options",
                hint=did_you_mean(name, valid) if dotted == name else f'Did you mean "{dotted}"?',
            )


def option_groups(options: type) -> dict[str, type]:
    """Return the groups among the options: fields that are pydantic models themselves.

    An option of a group has a dotted name, such as ``moments.lengths``.
    """
    if not is_dataclass(options):
        return {}
    hints = get_type_hints(options)
    types = {field.name: hints[field.name] for field in fields(options)}
    return {name: type_ for name, type_ in types.items() if hasattr(type_, "model_fields")}


def option_names(options: type) -> tuple[str, ...]:
    """Return the names of all options; options of groups have dotted names."""
    groups: dict[str, Any] = option_groups(options)
    names: list[str] = []
    for field in fields(options):
        group = groups.get(field.name)
        names += [field.name] if group is None else _dotted(field.name, group.model_fields)
    return tuple(names)


def option_descriptions(options: type) -> dict[str, str]:
    """Return the description of each option by name, from the docstrings' ``Args``.

    Options that a dataclass inherits are described where they are defined.
    """
    descriptions: dict[str, str] = {}
    for base in reversed(options.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("Args:\n")[2]
        first = re.split(r"\n\s*\n", section, maxsplit=1)[0]
        entries = re.split(r"^ {4}(?=\w+:)", first, flags=re.MULTILINE)[1:]
        pairs = (entry.split(":", 1) for entry in entries)
        descriptions |= {name: " ".join(text.replace("``", '"').split()) for name, text in pairs}
    return descriptions


def flatten_options(options: Any) -> dict[str, Any]:
    """Return options as JSON values by name; options of groups have dotted names."""
    values: dict[str, Any] = TypeAdapter(type(options)).dump_python(options, mode="json")
    groups = option_groups(type(options))
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name in groups:
            flat |= dict(zip(_dotted(name, value), value.values(), strict=True))
        else:
            flat[name] = value
    return flat


def make_options(options: type[O], values: Mapping[str, Any], *, of: str) -> O:
    """Build an options dataclass from keyword arguments.

    Options of a group are given by their dotted names, or together as a mapping or an object of the
    group: ``{"moments.steps": 5}``, ``{"moments": {"steps": 5}}``.

    Args:
        options: Pydantic dataclass of the options.
        values: Option names and values; of two values of an option, the last is used.
        of: Owner of the options, for error messages.

    Raises:
        OptionError: A name is unknown or a value is invalid.
    """
    names, groups = option_names(cast(type, options)), option_groups(cast(type, options))
    flat = _flatten(values, groups, of)
    check_options(flat, names, of=of)
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        group, _, option = name.rpartition(".")
        if group:
            nested.setdefault(group, {})[option] = value
        else:
            nested[name] = value
    _check_sizes(flat, of)
    try:
        return options(**nested)
    except ValidationError as error:
        raise _refusal(error, names, flat, of) from None


def _refusal(
    error: ValidationError, names: Sequence[str], values: Mapping[str, Any], of: str
) -> UserError:
    """Return the error of the first option that pydantic refused."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):  # raised by the options themselves
        where = f"{of}, {cause.where}" if cause.where else of
        return type(cause)(
            cause.what, where=where, got=cause.got, expected=cause.expected, hint=cause.hint
        )
    path = ".".join(map(str, first["loc"])) + "."
    option = next((name for name in names if path.startswith(f"{name}.")), "options")
    fault, expected = invalid_value(first["msg"])
    return OptionError(
        fault,
        where=f'{of}, option "{option}"',
        got=repr(values.get(option, first.get("input"))),
        expected=expected,
    )


def _check_sizes(flat: Mapping[str, Any], of: str) -> None:
    """Refuse numbers of frames, channels or cells that no memory can hold; seeds are not sizes."""
    for name, value in flat.items():
        values = value if isinstance(value, list | tuple) else (value,)
        sizes = [size for size in values if isinstance(size, int) and size > LARGEST_SIZE]
        if sizes and not name.endswith("seed"):
            gib = 4 * sizes[0] ** 2 >> 30
            raise OptionError(
                "too large",
                where=f'{of}, option "{name}"',
                got=str(sizes[0])[:40],
                expected=f"at most {LARGEST_SIZE}",
                hint=f"A matrix with so many rows and columns takes {str(gib)[:40]} GiB.",
            )


def _flatten(values: Mapping[str, Any], groups: Mapping[str, Any], of: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name not in groups:
            flat[name] = value
            continue
        if isinstance(value, groups[name]):
            value = value.model_dump(exclude_unset=True)
        if not isinstance(value, Mapping):
            raise OptionError(
                "a group of options, not one option",
                where=f'{of}, option "{name}"',
                got=repr(value),
                expected=", ".join(_dotted(name, groups[name].model_fields)),
            )
        flat |= dict(zip(_dotted(name, value), value.values(), strict=True))
    return flat


def _dotted(group: str, names: Iterable[str]) -> list[str]:
    return [f"{group}.{name}" for name in names]


@dataclass(frozen=True)
class Flag:
    """How the command line writes a field of a spec; it is in the field's ``Annotated`` type.

    Args:
        name: Name of the option without dashes; empty for the name of the field.
        metavar: Name of the value on help pages; empty for the name of the type.
    """

    name: str = ""
    metavar: str = ""


class Spec(BaseModel):
    """Base of all specs: frozen, without unknown fields, with a ``UserError`` for invalid values.

    ``model_fields_set`` has the names of the fields that were set; other fields have defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **values: Any) -> None:
        check_options(values, type(self).model_fields, of=type(self).__name__)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _spec_refusal(error, type(self).__name__) from None

    def check(self) -> None:
        """Refuse values that do not fit each other, as far as this is known without PyTorch."""

    @property
    def requested(self) -> dict[str, Any]:
        """Fields that were set, and their values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


def flags(spec: type[Spec]) -> dict[str, Flag]:
    """Return the options of the command line by the fields of a spec."""
    marked = {
        name: next((mark for mark in field.metadata if isinstance(mark, Flag)), None)
        for name, field in spec.model_fields.items()
    }
    return {
        name: Flag(flag.name or name.replace("_", "-"), flag.metavar)
        for name, flag in marked.items()
        if flag is not None
    }


def flag_of(spec: type[Spec], name: str) -> str:
    """Return the option of the command line for a field of a spec, with its dashes."""
    return f"--{flags(spec)[name].name}"


def words_of(spec: Spec) -> list[str]:
    """Return the words of the command line for the fields of a spec that were set.

    Default values are left out, unless the field ``over`` names another spec that this one changes.
    """
    words: list[str] = []
    for name, flag in flags(type(spec)).items():
        value = getattr(spec, name)
        is_default = value == type(spec).model_fields[name].default
        if name in spec.model_fields_set and (hasattr(spec, "over") or not is_default):
            words += [f"--{flag.name}"] if value is True else [f"--{flag.name}", str(value)]
    return words


def _spec_refusal(error: ValidationError, of: str) -> UserError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):
        return cause
    fault, expected = invalid_value(first["msg"])
    name = ".".join(map(str, first["loc"]))
    where = f"{of}, {name}" if name else of
    return OptionError(fault, where=where, got=repr(first["input"]), expected=expected)
