"""Specs: frozen values that say what a user requests, checked where they are made."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fewact.core.errors import OptionError, UserError, invalid_value
from fewact.core.options import check_options


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


def _refusal(error: ValidationError, of: str) -> UserError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):
        return cause
    fault, expected = invalid_value(first["msg"])
    name = ".".join(map(str, first["loc"]))
    where = f"{of}, {name}" if name else of
    return OptionError(fault, where=where, got=repr(first["input"]), expected=expected)
