"""The command ``fewact``: registers all commands and runs one of them.

This module imports the commands; no command imports this module.
"""

import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fewact.cli import (
    check_method,
    compare,
    data,
    demo,
    doctor,
    embed,
    episodes,
    evaluate,
    leaderboard,
    listing,
    predict,
    stability,
    teach,
    train,
)
from fewact.cli.options import Command
from fewact.cli.run import FAULT, flush_output, guarded, say
from fewact.version import __version__


class Commands(TyperGroup):
    """The group of commands; each command ends with one of the exit codes of ``run``."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments; print help or version if requested."""
        return guarded(lambda: super(Commands, self).make_context(*args, **kwargs))

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        return guarded(lambda: super(Commands, self).invoke(ctx))


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"fewact {__version__}")
        raise typer.Exit


@app.callback()
def fewact(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Recognise actions in video from a few example clips per action.

    Start with `fewact demo`. Then run `fewact teach CLIPS -o MODEL`, where CLIPS is a folder with
    one subfolder of clips per action, and `fewact predict MODEL VIDEO`.
    """


for command in (
    teach.teach,
    predict.predict,
    demo.demo,
    listing.methods,
    listing.backbones,
):
    app.command(cls=Command)(command)
app.add_typer(data.app, name="data")
for command in (
    embed.embed,
    episodes.episodes,
    evaluate.evaluate,
    train.train,
    train.recipes,
    check_method.check_method,
    compare.compare,
    stability.stability,
    leaderboard.leaderboard,
    doctor.doctor,
):
    app.command(cls=Command)(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Arguments without the program's name; None for the arguments of the process.

    Returns:
        Exit code: 0 success, 1 bug in fewact, 2 error of the user, 3 some inputs were skipped,
        130 interrupted.
    """
    # Set before torch is loaded: waiting threads must not occupy the cores that they share.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may have bytes or characters that the terminal's encoding cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _warnings_in_one_line():
            app(arguments, prog_name="fewact")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception:
        traceback.print_exc()
        say("This is a bug in fewact. Please report it with the lines above and `fewact doctor`.")
        code = FAULT
    left = flush_output()
    return code or left


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        say("Warning: " + " ".join(str(message).split()))

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
