"""Errors that a block must raise, checked by their type and fields instead of their prose."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fewact.core.errors import UserError


@contextmanager
def refused(error: type[UserError], **fields: object) -> Iterator[None]:
    """Check that the block raises an error; a text must be part of its field, another value equal.

    >>> from fewact.core.errors import OptionError
    >>> with refused(OptionError, where="fps"):
    ...     raise OptionError("invalid", where="fps", got="0")
    """
    with pytest.raises(error) as caught:
        yield
    for name, expected in fields.items():
        found = getattr(caught.value, name)
        fits = expected in found if isinstance(expected, str) else expected == found
        assert fits, f"{name} of the error is {found!r}, not {expected!r}"
