"""What every method promises, checked on any method: ``fewact check-method`` and the tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fewact.core.errors import OptionError, UserError
from fewact.methods.base import Method
from fewact.methods.promises.contract import PROMISES, Promise, PromiseError
from fewact.methods.promises.subject import Subject, accepts, made_up_card, make

__all__ = ["PROMISES", "Promise", "PromiseError", "PromiseResult", "Subject", "check_method"]


@dataclass(frozen=True)
class PromiseResult:
    """Result of one promise.

    Args:
        promise: The promise.
        error: What was found instead; None if the promise is kept.
    """

    promise: Promise
    error: UserError | None = None


def check_method(
    method: type[Method], options: Mapping[str, Any] | None = None
) -> list[PromiseResult]:
    """Check all promises of a method on made-up features, with maps and with vectors alone.

    Args:
        method: Class of the method.
        options: Options that differ from their defaults.

    Returns:
        One outcome for each promise; a promise that is broken on any backbone is broken. A method
        that refuses a backbone without maps is checked on the one with maps.
    """
    cards = [made_up_card(), made_up_card(maps=False)]
    subjects = [Subject(partial(make, method, card, options or {}), card) for card in cards]
    subjects[0].make()  # Invalid options are no broken promise.
    usable = [subject for subject in subjects if _usable(subject)] or subjects[:1]
    return [_result(promise, usable) for promise in PROMISES.values()]


def _usable(subject: Subject) -> bool:
    try:
        return accepts(subject.make(), subject.card)
    except OptionError:  # Options that do not fit this backbone.
        return False
    except UserError:
        raise
    except Exception:  # The method is the user's: the promises say what it raises.
        return True


def _result(promise: Promise, subjects: Sequence[Subject]) -> PromiseResult:
    for subject in subjects:
        try:
            promise.check(subject)
        except PromiseError as error:
            return PromiseResult(promise, error)
        except Exception as error:  # The method is the user's: whatever it raises breaks a promise.
            got = " ".join(f"{type(error).__name__}: {error}".split())
            return PromiseResult(promise, PromiseError(promise.text, got=got, hint=promise.look))
    return PromiseResult(promise)
