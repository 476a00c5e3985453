"""How a command ends: exit codes, and one message for each error of the user."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer

from fewact.core.errors import FewactError
from fewact.core.extras import fault_of_lab
from fewact.core.text_table import printable

T = TypeVar("T")

FAULT = 1
"""Exit code of a fault of fewact."""

USER_FAULT = 2
"""Exit code of bad input."""

SKIPPED = 3
"""Exit code where some inputs were skipped."""

INTERRUPTED = 130
"""Exit code after Ctrl+C."""

ERRORS_OF_THE_MACHINE = {
    errno.ENOSPC,
    errno.EFBIG,
    errno.EIO,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENFILE,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
}
"""Reasons for a failed write that only the user can fix."""


def guarded(command: Callable[[], T]) -> T:
    """Run a command; turn an error of the user into one message and an exit code."""
    try:
        return command()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader of the output (| head) has closed the pipe
        drop_output()
        raise typer.Exit(0) from None
    except FewactError as error:
        say(f"Error: {error}")
    except (ImportError, OSError) as error:
        if fault := fault_of_lab("this command", error):
            say(f"Error: {fault}")
            raise typer.Exit(USER_FAULT) from None
        if isinstance(error, ImportError) or error.errno not in ERRORS_OF_THE_MACHINE:
            raise
        if error.filename is None:  # of the output, which must not fail again at the end
            drop_output()
        say(f"Error: {error.filename or 'output'}: {error.strerror}")
    raise typer.Exit(USER_FAULT)


def say(text: str) -> None:
    """Write lines to stderr; controls, which names of files may have, as escapes."""
    print(printable(text, "\t\n"), file=sys.stderr, flush=True)


@contextmanager
def saying_warnings() -> Iterator[None]:
    """Write the warnings that fewact logs to stderr."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: say(f"Warning: {printable(record.getMessage())}")  # type: ignore[method-assign]
    logger = logging.getLogger("fewact")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def exit_skipped(count: int) -> None:
    """End with the exit code for skipped inputs if there were any; each was listed before."""
    if count:
        raise typer.Exit(SKIPPED)


def flush_output() -> int:
    """Write the rest of the output; return the exit code if that is all there was to do."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        drop_output()
        say(f"Error: output: {error.strerror}")
        return USER_FAULT
    return 0


def drop_output() -> None:
    """Discard what Python flushes to stdout when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = io.StringIO()
