"""Every error that fewact raises on purpose.

``UserError`` is bad input: its message says what is wrong, where, what was got, what is accepted
and how to mend it. Anything else that escapes is a fault of fewact's own.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class FewactError(Exception):
    """Base of all errors raised by fewact."""


class UserError(FewactError, ValueError):
    """Bad input.

    Args:
        what: What is wrong, as a clause without a full stop.
        where: The file, option or argument it was found in.
        got: What was found there.
        expected: What would have been right.
        hint: What to do about it.
    """

    def __init__(
        self, what: str, *, where: str = "", got: str = "", expected: str = "", hint: str = ""
    ) -> None:
        self.what, self.where, self.got = what, where, got
        self.expected, self.hint = expected, hint
        message = f"{where}: {what}" if where else what
        message += f" (got {got})" if got else ""
        message += f"; expected: {expected}" if expected else ""
        message += f". {hint}" if hint else ""
        super().__init__(message)


class VideoError(UserError):
    """A video that cannot be read.

    Args:
        path: The file or folder.
        reason: Why it cannot be read.
        expected: What would have been.
        hint: What to do about it.
    """

    def __init__(
        self, path: str | Path, reason: str, *, expected: str = "", hint: str = ""
    ) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(reason, where=str(path), expected=expected, hint=hint)


class AlignmentError(UserError):
    """An alignment problem that cannot be solved.

    Args:
        what: What is wrong with it.
        index: Where in the batch the first bad problem stands, one number for each leading axis.
        got: What was found.
        expected: What would have been right.
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
    """An option that does not exist or has a value that is not accepted."""


class UnknownNameError(UserError):
    """A method, backbone or aligner of a name that is not registered."""


class DataError(UserError):
    """A folder, table or list of clips that cannot be used."""


class WeightsError(UserError):
    """Weights that are missing, renamed, of another shape, or not the file they should be."""


class EpisodeError(UserError):
    """Episodes that cannot be drawn, read, or used with this list of videos."""


class ResultError(UserError):
    """A result that cannot be read, resumed or compared."""


class StoreError(UserError):
    """A store that cannot be read or written, or lacks what is asked of it."""


class ModelError(UserError):
    """A saved classifier that cannot be read or written."""


class RecipeError(UserError):
    """A recipe that cannot be read, or asks for what there is not."""


class TrainingError(UserError):
    """A training that cannot begin, go on, or be resumed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Args:
        name: What was given.
        known: The names that exist.

    Returns:
        "Did you mean …?", or an empty text where nothing is near.

    >>> did_you_mean("a2m3", ["a2m2", "protonet"])
    'Did you mean "a2m2"?'
    """
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f'Did you mean "{near[0]}"?' if near else ""
