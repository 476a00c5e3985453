"""The command ``fewact``: finds the requested command and runs it.

A command's module is imported when the command is needed: ``fewact --help`` imports none. No
command imports this module.
"""

import atexit
import gc
import io
import os
import sys
import traceback
import warnings
from collections import UserDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from fewact.cli.command import Command
from fewact.cli.run import FAULT, SKIPPED, USER_FAULT, flush_output, guarded, say
from fewact.core.errors import SkippedWarning
from fewact.core.machine import share_freed_memory
from fewact.core.paths import home_expanded
from fewact.core.registry import imported
from fewact.core.version import __version__

COMMANDS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Teach and predict": {
        "teach": ("cli.teach:teach", "Teach a classifier from a few clips of each class."),
        "predict": ("cli.predict:predict", "Predict the class of each video, or (none)."),
        "watch": (
            "recordings.commands.watch:watch",
            "Find the actions in long recordings, or watch a camera.",
        ),
        "index": (
            "recordings.commands.archive:index",
            "Read recordings once, so that any action can be found in them later.",
        ),
        "find": (
            "recordings.commands.archive:find",
            "Find an action in indexed recordings by one clip, several, or a model.",
        ),
        "suggest": (
            "recordings.commands.archive:suggest",
            "Name the segments whose marks would help most: uncertain, and unlike each other.",
        ),
        "discover": (
            "recordings.commands.archive:discover",
            "Group the recurring movements of indexed recordings, without any label.",
        ),
        "agree": (
            "recordings.commands.scored:agree",
            "Compare events with those that a person scored: F1, kappa, confusions, errors.",
        ),
        "budget": (
            "recordings.commands.scored:budget",
            "Count how often and how long each class was performed in each recording.",
        ),
        "convert-events": (
            "recordings.commands.convert:convert_events",
            "Convert events of one program into the format of another.",
        ),
        "total": (
            "recordings.commands.total:total",
            "Estimate counts and durations with intervals, from a sample that you check.",
        ),
        "poses": (
            "poses.command:poses",
            "Estimate the joints of a body in each video, and write them as files.",
        ),
        "serve": (
            "page.commands:serve",
            "Teach and use a model in the browser, on this computer only.",
        ),
        "export": (
            "cli.export:export",
            "Export a model as one file, or its network as an ONNX file.",
        ),
        "import": ("cli.export:import_model", "Make a model folder of the file of a model."),
        "demo": ("cli.demo:demo", "Teach and predict on rendered clips, or on your own."),
    },
    "Know and correct a model": {
        "info": (
            "cli.model:info",
            "Show the classes of a model, its accuracy, and how it was made.",
        ),
        "test": (
            "cli.model:measure_clips",
            "Measure a model on labelled clips: accuracy with interval, confusions, each class.",
        ),
        "review": (
            "cli.model:review",
            "Find confused classes, wrong labels and duplicates in a model, and say what to record "
            "next.",
        ),
        "explain": (
            "cli.model:explain",
            "Explain a prediction: the contributions to the class, and the matched frames.",
        ),
        "match": (
            "cli.model:match",
            "Show how aligners match two clips: windows, their weights, and the plan.",
        ),
        "map": (
            "cli.model:clip_map",
            "Draw the clips of a model, the prototypes of its classes, and new videos as points.",
        ),
        "report": (
            "cli.report:report",
            "Write a report of a model, results or events, as one file that needs nothing else.",
        ),
        "add": (
            "cli.edit:add",
            "Add training clips to a model: to a class, to a new class, or to none.",
        ),
        "rename": ("cli.edit:rename", "Rename a class of a model."),
        "move": ("cli.edit:move", "Correct the label of a training clip."),
        "remove": (
            "cli.edit:remove",
            "Remove classes or training clips from a model; the clips' files are not touched.",
        ),
        "undo": (
            "cli.edit:undo",
            "Undo the latest change of a model: teach, import, add, rename, move or remove.",
        ),
    },
    "Methods and networks": {
        "methods": (
            "cli.methods:methods",
            "List the few-shot methods, or show one with its options.",
        ),
        "backbones": ("cli.methods:backbones", "List the networks that compute features."),
        "check-method": (
            "lab.commands.check_method:check_method",
            "Check that a method keeps what all methods promise.",
        ),
    },
    "Data": {
        "data": ("lab.commands.data:app", "List, check and render benchmarks."),
        "embed": (
            "lab.commands.embed:embed",
            "Compute features of labelled videos and store them on disk.",
        ),
        "episodes": ("lab.commands.data:episodes", "Draw episodes and save them."),
    },
    "Train and evaluate": {
        "train": (
            "lab.commands.train:train",
            "Train a method on the training classes of a benchmark.",
        ),
        "convert": (
            "lab.commands.train:convert",
            "Convert a checkpoint of a method's public code to one of fewact.",
        ),
        "recipes": (
            "lab.commands.train:recipes",
            "List the recipes that come with fewact, or print one.",
        ),
        "evaluate": (
            "lab.commands.evaluate:evaluate",
            "Compute the accuracy of a method over many episodes.",
        ),
        "compare": (
            "lab.commands.results:compare",
            "Compare each pair of results on the same episodes.",
        ),
        "confusion": (
            "lab.commands.results:confusion",
            "Show the accuracy of each class and the pairs of classes confused most often.",
        ),
        "stability": (
            "lab.commands.results:stability",
            "Show the accuracy as a function of the number of episodes.",
        ),
        "leaderboard": (
            "lab.commands.results:leaderboard",
            "List published accuracies together with your results.",
        ),
    },
    "This machine": {
        "doctor": ("cli.doctor:doctor", "Report what is installed, and give advice."),
    },
}
"""Commands below the headings of ``fewact --help``: module below ``fewact`` and function, or
application of Typer, there; and the first sentence of its help page, which a test compares."""


class LazyCommands(UserDict[str, Any]):
    """The commands by name; each is imported and built when it is read."""

    def __init__(self) -> None:
        super().__init__(
            (name, target) for group in COMMANDS.values() for name, (target, _) in group.items()
        )

    def __getitem__(self, name: str) -> Any:
        if isinstance(self.data[name], str):
            self.data[name] = _build(name, self.data[name])
        return self.data[name]


def _build(name: str, target: str) -> Any:
    """Return the command of a function, or the group of a Typer application."""
    implementation = imported(name, f"fewact.{target}")
    if not isinstance(implementation, typer.Typer):
        application = typer.Typer(rich_markup_mode=None, add_completion=False)
        application.command(name, cls=Command)(implementation)
        implementation = application
    command = typer.main.get_command(implementation)
    command.name = name
    return command


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
                    [(name.ljust(width), summary) for name, (_, summary) in commands.items()]
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
    """Run the command line with the arguments, those of the process by default.

    The exit code is 0 for success, 1 for a bug in fewact, 2 for an error of the user, 3 if some
    inputs were skipped, 130 if interrupted.
    """
    # Set before torch is loaded: waiting threads must not occupy the cores that they share.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = sys.argv[1:] if arguments is None else arguments
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may have bytes or characters that the terminal's encoding cannot show.
            stream.reconfigure(errors="backslashreplace")
    skipped: list[str] = []
    try:
        with _warnings_in_one_line(skipped):
            app(list(map(home_expanded, words)), prog_name="fewact")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Exception as error:
        traceback.print_exc()
        code = _code_of(error, words)
    fault = flush_output()
    return code or fault or (SKIPPED if skipped else 0)


def _open_closed_streams() -> None:
    """Open the null device in place of streams that were closed before the start, as by a daemon.

    Their descriptors are opened, too. Otherwise a later file gets the descriptor of stderr, and a
    library that writes to stderr writes into that file.
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


OBJECTS_BEFORE_COLLECTION = 50_000
"""New objects after which Python looks for garbage. Imports of a command make tens of thousands of
objects, none of them garbage: with Python's default of 700, a twentieth of the time of ``predict``
is lost."""


def entry_point() -> None:
    """Run the command line, and end the process with its exit code.

    The process ends after the functions of ``atexit``, without freeing every object: for those of
    the lab that takes 0.1 s.
    """
    share_freed_memory()
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    codes: list[int] = []

    def leave() -> None:
        fault = flush_output()
        if codes:
            os._exit(codes[0] or fault)

    atexit.register(leave)  # What commands register later runs earlier.
    codes.append(main())


@contextmanager
def _warnings_in_one_line(skipped: list[str]) -> Iterator[None]:
    """Write warnings as lines to stderr, and append those of skipped inputs to a list."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if isinstance(message, SkippedWarning):
            skipped.append(str(message))
        say("Warning: " + " ".join(str(message).split()))

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("default", UserWarning)
        # Whatever the user's filters say: the exit code follows it.
        warnings.simplefilter("default", SkippedWarning)
        warnings.showwarning = show
        yield
