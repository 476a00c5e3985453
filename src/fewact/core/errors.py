"""Errors that fewact raises on purpose, and warnings that name the caller's line.

``UserError`` reports bad input: its message says what is wrong, where, what was got, what was
expected and how to fix it. Any other exception that escapes is a bug in fewact.
"""

import difflib
import os
import sys
import unicodedata
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from fewact.core.text_table import printable


class FewactError(Exception):
    """Base of all errors raised by fewact."""


class UserError(FewactError, ValueError):
    """Bad input.

    Args:
        what: Fault, as a clause without a full stop.
        where: File, option or argument with the fault.
        got: Value that was found there.
        expected: Values that would have been valid.
        hint: How to fix it, as a sentence.
    """

    def __init__(
        self, what: str, *, where: str = "", got: str = "", expected: str = "", hint: str = ""
    ) -> None:
        self.what, self.where, self.got = what, where, got
        self.expected, self.hint = expected, hint
        where, got = printable(where), printable(got)  # they may have the name of a file
        what, expected, hint = (printable(text, "\n") for text in (what, expected, hint))
        message = f"{where}: {what}" if where else what
        # The fault may be the text of another error, which may end with a sentence.
        message = f"{_clause(message)} (got {got})" if got else message
        message = f"{_clause(message)}; expected: {expected}" if expected else message
        end = "" if message.endswith("?") else "."
        message = f"{_clause(message)}{end} {hint}" if hint else message
        super().__init__(message)

    @property
    def parts(self) -> dict[str, str]:
        """Parts of the message by name: the arguments."""
        names = ("what", "where", "got", "expected", "hint")
        return {name: getattr(self, name) for name in names}


class VideoError(UserError):
    """A video that cannot be read.

    Args:
        path: File or folder.
        reason: Reason why it cannot be read.
        expected: Files that can be read.
        hint: How to fix it, as a sentence.
    """

    def __init__(
        self, path: str | Path, reason: str, *, expected: str = "", hint: str = ""
    ) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(reason, where=str(path), expected=expected, hint=hint)

    def __reduce__(self) -> tuple[Any, ...]:
        # The base class would pass its message alone to the constructor.
        return partial(type(self), expected=self.expected, hint=self.hint), (self.path, self.reason)


class AlignmentError(UserError):
    """An alignment problem that cannot be solved.

    Args:
        what: Fault, as a clause without a full stop.
        index: Position of the first bad problem in the batch, one number for each leading axis.
        got: Value that was found.
        expected: Values that would have been valid.
    """

    def __init__(
        self, what: str, *, index: tuple[int, ...] = (), got: str = "", expected: str = ""
    ) -> None:
        self.index = index
        where = f"problem {list(index)}" if index else ""
        super().__init__(what, where=where, got=got, expected=expected)


class ShapeError(UserError):
    """A tensor whose shape or type does not fit."""


class OptionError(UserError):
    """An option that does not exist or has an invalid value."""


class UnknownNameError(UserError):
    """A name under which no method, backbone or aligner is registered."""


class ExtensionError(UserError):
    """A method of another package or of a file that cannot be loaded."""


class ExtraError(OptionError):
    """A part of fewact whose packages are not installed.

    Args:
        what: Part that needs them, such as the name of a method.
        extra: Name of the extra that installs them.
        got: Fault that was found.
    """

    def __init__(self, what: str, extra: str, *, got: str = "") -> None:
        self.extra = extra
        super().__init__(f'{what} needs pip install "fewact[{extra}]"', got=got)


class DataError(UserError):
    """A folder, table or list of clips that cannot be used."""


class WeightsError(UserError):
    """Weights that are missing or renamed, have another shape, or are from an unexpected file."""


class EpisodeError(UserError):
    """Episodes that cannot be drawn or read, or that belong to another list of videos."""


class ResultError(UserError):
    """A result that cannot be read, resumed or compared."""


class StoreError(UserError):
    """A store that cannot be read or written, or does not hold the requested features."""


class OutputError(UserError):
    """A file or folder that cannot be written."""


class ModelError(UserError):
    """A saved classifier that cannot be read or written."""


class NewerModelError(ModelError):
    """A newer version of fewact wrote the model: it may be in order, but cannot be read here."""


class LostModelError(ModelError):
    """The model is damaged, or an older version of fewact wrote it: teach again from the clips."""


class DamagedModelError(LostModelError):
    """The file of a model is missing, or was damaged or edited."""


class NotFittedError(ModelError, AttributeError):
    """A classifier that has no classes yet; as in scikit-learn, it has no such attribute either."""


class RecipeError(UserError):
    """A recipe that cannot be read or contains an invalid value."""


class TrainingError(UserError):
    """A training that cannot start, continue or resume."""


def _clause(text: str) -> str:
    """Return a text without the full stop at its end; an ellipsis stays."""
    return text if text.endswith("..") else text.removesuffix(".")


def invalid_value(message: str) -> tuple[str, str]:
    """Return the fault, and the values that were expected, from a message of pydantic.

    >>> invalid_value("Input should be 'off' or 'on'")
    ('invalid value', "'off' or 'on'")
    >>> invalid_value("Extra inputs are not permitted")
    ('unknown name', '')
    """
    if message == "Extra inputs are not permitted":
        return "unknown name", ""
    expected = message.removeprefix("Input should be ")
    if expected != message:
        return "invalid value", expected.split(", unable to parse")[0]
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:], ""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "Did you mean …?" with the known name that was probably meant; "" if none is similar.

    Names are compared without case, and in Unicode normal form C. A name that looks like the given
    one is never proposed.

    >>> did_you_mean("a2m3", ["a2m2", "protonet"])
    'Did you mean "a2m2"?'
    >>> did_you_mean("throw", ["THROW", "wave"])
    'Did you mean "THROW"?'
    >>> did_you_mean("wave", ["wave"])
    ''
    """
    given = unicodedata.normalize("NFC", name)
    folded = {
        unicodedata.normalize("NFC", candidate).lower(): candidate
        for candidate in names
        if unicodedata.normalize("NFC", candidate) != given
    }
    near = difflib.get_close_matches(given.lower(), folded, n=1)
    return f'Did you mean "{folded[near[0]]}"?' if near else ""


def check_choice(value: str, choices: Iterable[str], where: str) -> None:
    """Refuse a value that is none of the choices; ``where`` is the name of the argument."""
    names = tuple(choices)
    if value not in names:
        raise OptionError(
            "unknown value",
            where=where,
            got=repr(value),
            expected=", ".join(names),
            hint=did_you_mean(str(value), names),
        )


class SkippedWarning(UserWarning):
    """An input that cannot be used was left out; a command then ends with the exit code 3."""


PACKAGE_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the line outside of fewact that led to it.

    ``warnings.warn`` does so from Python 3.12 on, by ``skip_file_prefixes``.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
