"""Paths that users write: expanded and checked; a hint where there is no such file."""

import errno
import itertools
import os
from pathlib import Path
from typing import Final

from fewact.core.errors import DataError, UserError, did_you_mean

MOST_NAMES = 10_000
"""Number of names that are compared."""

WORKBOOK_SUFFIXES: Final = (".xlsx", ".xlsm", ".xltx")
"""Extensions of workbooks."""

IN_MEMORY = (
    "A clip in memory is fewact.data.Frames(frames) or fewact.data.VideoBytes(content); its method "
    "read returns frames."
)


def user_path(
    path: str | os.PathLike[str], refusal: type[UserError] = UserError, *, hint: str = ""
) -> Path:
    """Return a path with ``~`` expanded.

    Args:
        path: Path as the user wrote it.
        refusal: Error for a path that cannot be expanded.
        hint: How to fix a value that is no path, as a sentence.

    Raises:
        UserError: The value is no path or empty; it starts with ``~`` and there is no such home
            folder; it has characters that file names cannot have, or a name in it is too long.
    """
    if not isinstance(path, str | os.PathLike):
        expected = "the name of a file or folder"
        raise refusal("not a path", got=type(path).__name__, expected=expected, hint=hint)
    path = os.fsdecode(path)
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
        expanded = Path(path).expanduser()
        os.lstat(expanded)
    except (OSError, ValueError) as error:  # most say that there is no such file
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise refusal("the name is too long", where=f"{path[:60]}…") from None
        return expanded
    except RuntimeError:
        if os.path.lexists(path):  # a file whose name begins with ~, such as one of an office suite
            return Path(path)
        raise refusal(
            "there is no home folder", where=path, hint="Write the path without ~."
        ) from None
    return expanded


def file_and_sheet(path: Path) -> tuple[Path, str]:
    """Return the file and the sheet of ``FILE.xlsx#Sheet``; an existing file comes first.

    >>> file_and_sheet(Path("a/scores.xlsx#Day 2"))
    (PosixPath('a/scores.xlsx'), 'Day 2')
    """
    file, mark, sheet = str(path).rpartition("#")
    if mark and not os.path.exists(path) and file.lower().endswith(WORKBOOK_SUFFIXES):
        return Path(file), sheet
    return path, ""


def clip_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a clip, see ``user_path``; most ``Path``s are returned as they are."""
    if isinstance(path, Path) and not str(path).startswith("~"):
        return path
    return user_path(path, DataError, hint=IN_MEMORY)


def home_expanded(argument: str) -> str:
    """Return an argument of the command line with ``~`` expanded, which few shells do after ``=``.

    >>> home_expanded("--output=here.csv"), home_expanded("a~/b")
    ('--output=here.csv', 'a~/b')
    """
    option, equals, value = (
        argument.partition("=") if argument.startswith("--") else ("", "", argument)
    )
    if value != "~" and not value.startswith(("~/", f"~{os.sep}")):
        return argument
    return f"{option}{equals}{os.path.expanduser(value)}"


def from_here(file: Path) -> str:
    """Return a path relative to the working directory, if the file is in it."""
    folder = Path.cwd()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def similar_name(path: Path) -> str:
    """Return a hint at a similar name in the folder of a path; empty if there is none."""
    try:
        entries = itertools.islice(path.absolute().parent.iterdir(), MOST_NAMES)
        return did_you_mean(path.name, sorted({entry.name for entry in entries} - {path.name}))
    except OSError:
        return ""
