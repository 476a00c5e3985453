"""How a command ends: exit codes, one message for the user's faults, a traceback for ours."""

import errno
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import typer

from fewact.errors import FewactError

T = TypeVar("T")

FAULT, USER_FAULT, SKIPPED, INTERRUPTED = 1, 2, 3, 130

THE_MACHINE_SAYS_NO = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
}
"""Reasons for which a write fails that only the user can mend."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of the process where None.

    Returns:
        0 fine, 1 our fault, 2 the user's fault, 3 some inputs were skipped, 130 interrupted.
    """
    # Before torch is loaded: its threads shall not burn the cores that they share while they wait.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from fewact.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may hold bytes or signs that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _warnings_in_one_line():
            app(arguments, prog_name="fewact")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception:
        traceback.print_exc()
        say("This is a fault of fewact. Please report it with the lines above and `fewact doctor`.")
        code = FAULT
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    return code


def guarded(command: Callable[[], T]) -> T:
    """Run a command and turn what the user can mend into one message and an exit code."""
    try:
        return command()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader (| head) has had all it wanted
        _drop_output()
        raise typer.Exit(0) from None
    except FewactError as error:
        say(f"Error: {error}")
    except OSError as error:
        if error.errno not in THE_MACHINE_SAYS_NO:
            raise
        say(f"Error: {error.filename or 'output'}: {error.strerror}")
    raise typer.Exit(USER_FAULT)


def say(line: str) -> None:
    """Write a line for the user to stderr."""
    print(line, file=sys.stderr, flush=True)


def exit_skipped(count: int) -> None:
    """End with the code for skipped inputs where there were any; each was listed before."""
    if count:
        raise typer.Exit(SKIPPED)


def _drop_output() -> None:
    """Let what Python still wants to flush at its end go nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = io.StringIO()


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        say("Warning: " + " ".join(str(message).split()))

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
