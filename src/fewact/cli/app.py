"""The command ``fewact`` and its commands."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fewact import __version__
from fewact.cli import (
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
from fewact.cli.run import guarded


class Commands(TyperGroup):
    """The group of commands, each of which ends with one of the exit codes of ``run``."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments, and print help or version where that is asked."""
        return guarded(lambda: super(Commands, self).make_context(*args, **kwargs))

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        return guarded(lambda: super(Commands, self).invoke(ctx))


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fewact {__version__}")
        raise typer.Exit


@app.callback()
def fewact(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Learn actions from a few video clips of each, and recognise them.

    Start with `fewact demo`, then `fewact teach CLIPS -o MODEL` with a folder of clips for each
    action, then `fewact predict MODEL VIDEO`.
    """


app.command()(teach.teach)
app.command()(predict.predict)
app.command()(demo.demo)
app.command()(listing.methods)
app.command()(listing.backbones)
app.add_typer(data.app, name="data")
app.command()(embed.embed)
app.command()(episodes.episodes)
app.command()(evaluate.evaluate)
app.command()(train.train)
app.command()(train.recipes)
app.command()(compare.compare)
app.command()(stability.stability)
app.command()(leaderboard.leaderboard)
app.command()(doctor.doctor)
