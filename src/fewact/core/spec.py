"""Specs: frozen values that say what a user requests, checked where they are made."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.core.errors import OptionError, UserError, invalid_value
from fewact.core.options import check_options


@dataclass(frozen=True)
class Flag:
    """How the command line writes a field of a spec; stands in the field's ``Annotated`` type.

    Args:
        name: Name of the option without dashes; empty for that of the field.
        metavar: Name of the value on help pages; empty for that of the type.
    """

    name: str = ""
    metavar: str = ""


class Spec(BaseModel):
    """Base of all specs: no unknown field, no change, and errors of the user's.

    A field that was not set has its default; ``model_fields_set`` names those that were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **values: Any) -> None:
        check_options(values, type(self).model_fields, of=type(self).__name__)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _refusal(error, type(self).__name__) from None

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
    """Return the words of the command line for a spec: those of fields that were set.

    A value that is the default is left out, unless the spec takes over what it does not set from
    another one (``over``).
    """
    words: list[str] = []
    for name, flag in flags(type(spec)).items():
        value = getattr(spec, name)
        is_default = value == type(spec).model_fields[name].default
        if name in spec.model_fields_set and (hasattr(spec, "over") or not is_default):
            words += [f"--{flag.name}"] if value is True else [f"--{flag.name}", str(value)]
    return words


def _refusal(error: ValidationError, of: str) -> UserError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):
        return cause
    fault, expected = invalid_value(first["msg"])
    name = ".".join(map(str, first["loc"]))
    where = f"{of}, {name}" if name else of
    return OptionError(fault, where=where, got=repr(first["input"]), expected=expected)
