"""The command ``fewact``: finds the requested command and runs it.

A command's module is imported when the command is needed: ``fewact --help`` imports none. No
command imports this module.
"""

import atexit
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

from fewact.cli.commands import COMMANDS, LazyCommands
from fewact.cli.run import FAULT, USER_FAULT, flush_output, guarded, say
from fewact.core.paths import home_expanded
from fewact.core.version import __version__


class Commands(TyperGroup):
    """The group of commands; each command ends with one of the exit codes of ``run``."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands below the heading of their purpose; none is imported."""
        width = max(len(name) for commands in COMMANDS.values() for name in commands)
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(width), command.summary) for name, command in commands.items()]
                )

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments; print help or version if requested."""
        return guarded(lambda: super(Commands, self).make_context(*args, **kwargs))

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        return guarded(lambda: super(Commands, self).invoke(ctx))


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
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

    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may have bytes or characters that the terminal's encoding cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _warnings_in_one_line():
            words = sys.argv[1:] if arguments is None else arguments
            app(list(map(home_expanded, words)), prog_name="fewact")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception as error:
        traceback.print_exc()
        code = _code_of(error, sys.argv[1:] if arguments is None else arguments)
    fault = flush_output()
    return code or fault


def _open_closed_streams() -> None:
    """Open the null device in place of streams that were closed before the start, as by a daemon.

    Their descriptors are opened, too: a library that writes to stderr would write into the file
    that has its descriptor otherwise.
    """
    streams = ("stdin", "stdout", "stderr")  # of the descriptors 0, 1 and 2
    if all(getattr(sys, name) is not None for name in streams):
        return
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < len(streams):
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for descriptor, name in enumerate(streams):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8"))


def _code_of(error: Exception, arguments: Sequence[str]) -> int:
    """Say whose fault an unexpected error is, and return the exit code."""
    files = sys.modules.get("fewact.methods.files")
    if files is not None and (place := files.place_in_file(error)):
        say(f"Error: {place}: the method raised {type(error).__name__}")
        say("`fewact check-method FILE.py` runs it step by step.")
        return USER_FAULT
    if any(word.partition("=")[0] == "--import" for word in arguments):
        say("Error: the method of --import may have returned what fewact does not expect")
        say("`fewact check-method FILE.py` names each broken promise. If there is none, this is a")
        say("bug in fewact: please report it with the lines above and `fewact doctor`.")
        return USER_FAULT
    say("This is a bug in fewact. Please report it with the lines above and `fewact doctor`.")
    return FAULT


def entry_point() -> None:
    """Run the command line, and end the process with its exit code.

    The process ends after the functions of ``atexit``, without freeing every object: for those of
    torch that takes 0.1 s.
    """
    codes: list[int] = []

    def leave() -> None:
        fault = flush_output()
        if codes:
            os._exit(codes[0] or fault)

    atexit.register(leave)  # What commands register later runs earlier.
    codes.append(main())


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        say("Warning: " + " ".join(str(message).split()))

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
