"""``fewact leaderboard``: published figures, and one's own among them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.evaluate import Format, OutputFormat
from fewact.cli.output import print_json


def leaderboard(
    data: Annotated[str, typer.Argument(help="A benchmark, in any spelling.")],
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RESULT...]", help="Files of `fewact evaluate`, test classes."),
    ] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Only rows of so many shots.")] = None,
    format: OutputFormat = Format.TABLE,
) -> None:
    """Show published figures, and your own among them.

    Every row has its source. Rows of other settings stand apart, each with the reason.
    """
    from fewact import evaluation
    from fewact.report import TableFormat, leaderboard_tables, render

    paths = results or []
    rows = evaluation.leaderboard(
        data,
        [evaluation.load(path) for path in paths],
        [str(path) for path in paths],
        shots=shots,
    )
    if format is Format.JSON:
        print_json([asdict(row) for row in rows])
        return
    tables = [render(table, TableFormat(format.value)) for table in leaderboard_tables(rows)]
    print("\n".join(tables), end="")
