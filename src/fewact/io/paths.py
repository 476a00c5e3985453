"""Paths that users write: expanded and checked; a hint where there is no such file."""

import errno
import itertools
import os
from pathlib import Path

from fewact.errors import UserError, did_you_mean

MOST = 10_000
"""Number of names that are compared."""


def user_path(path: str | os.PathLike[str], refusal: type[UserError] = UserError) -> Path:
    """Return a path with ``~`` expanded.

    Args:
        path: Path as the user wrote it.
        refusal: Error for a path that cannot be expanded.

    Raises:
        UserError: It is no path, or an empty one; it starts with ``~`` and there is no such home
            folder; it has characters that no name of a file has, or a name in it is too long.
    """
    try:
        path = os.fsdecode(path)
    except TypeError:
        raise refusal(
            "not a path", got=type(path).__name__, expected="the name of a file or folder"
        ) from None
    if not path:  # Path("") is the current folder.
        raise refusal("not a path", got=repr(path), expected="the name of a file or folder")
    if "\0" in path:
        raise refusal("not a path", got=repr(path), expected="a path without NUL characters")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        expected = "a path of characters that names of files can have"
        raise refusal("not a path", got=repr(path), expected=expected) from None
    try:
        found = Path(path).expanduser()
        os.lstat(found)
    except (OSError, ValueError) as error:  # most say that there is no such file
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise refusal("the name is too long", where=f"{path[:60]}…") from None
        return found
    except RuntimeError:
        raise refusal(
            "there is no home folder", where=path, hint="Write the path without ~."
        ) from None
    return found


def similar_name(path: Path) -> str:
    """Return a hint at a similar name in the folder of a path; empty if there is none."""
    try:
        entries = itertools.islice(path.absolute().parent.iterdir(), MOST)
        return did_you_mean(path.name, sorted({one.name for one in entries} - {path.name}))
    except OSError:
        return ""
