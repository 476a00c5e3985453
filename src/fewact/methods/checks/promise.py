"""A promise of the contract, and how its check says that a method breaks it."""

from collections.abc import Callable

import torch
from torch import Tensor

from fewact.core.errors import UserError
from fewact.methods.checks.subject import Subject

TOLERANCE = 1e-4
"""Largest difference of logits that should be equal, relative to the largest of them."""

Check = Callable[[Subject], None]


class PromiseError(UserError):
    """A method breaks a promise of the contract."""


class Broken(Exception):
    """What a check found; the promise adds its text and its hint."""

    def __init__(self, *, where: str = "", got: str = "", expected: str = "") -> None:
        self.where, self.got, self.expected = where, got, expected


class Promise:
    """One promise of the contract.

    Args:
        text: The promise as a sentence.
        look: Where to look if it is broken.
        check: Raises ``Broken`` if a method breaks it.
    """

    def __init__(self, text: str, look: str, check: Check) -> None:
        self.text, self.look, self._check = text, look, check

    def check(self, subject: Subject) -> None:
        """Check a method.

        Raises:
            PromiseError: The method breaks the promise.
        """
        try:
            self._check(subject)
        except Broken as found:
            raise PromiseError(
                self.text,
                where=found.where,
                got=found.got,
                expected=found.expected,
                hint=self.look,
            ) from None


def check_finite(value: Tensor, where: str = "") -> None:
    """Refuse NaN and infinity."""
    if not value.isfinite().all():
        raise Broken(where=where, got="NaN or infinity", expected="finite numbers")


def check_equal(got: Tensor, expected: Tensor, where: str = "") -> None:
    """Refuse tensors that differ by more than ``TOLERANCE``."""
    size = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    if got.shape != expected.shape:
        raise Broken(where=where, got=str(tuple(got.shape)), expected=str(tuple(expected.shape)))
    if not torch.allclose(got, expected, rtol=0, atol=TOLERANCE * size):
        raise Broken(where=where, got=difference(got, expected), expected="equal values")


def difference(first: Tensor, second: Tensor) -> str:
    """Return the largest difference in words."""
    return f"a difference of {float((first - second).abs().max()):.3g}"
