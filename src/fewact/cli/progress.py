"""A progress bar on stderr, with rate and remaining time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Show(Protocol):
    """Shows a step of the progress."""

    def __call__(self, done: int, total: int, label: str | None = None, /) -> None:
        """Show the number of finished steps and of all steps, with another label if requested."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Show]:
    """Show a progress bar.

    Args:
        what: Label on the left of the bar.
        quiet: Whether to show nothing. Nothing is shown either if stderr is not a terminal.

    Yields:
        Function to call after each step.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, label=None: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # Results on the same terminal are written above the bar; a pipe is not redirected.
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, label=None: bar.update(
            task, completed=done, total=total, description=label or what
        )
