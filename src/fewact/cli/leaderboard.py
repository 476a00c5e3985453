"""``fewact leaderboard``: published accuracies together with your results."""

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli import completion, early
from fewact.cli.output import (
    OutputFormat,
    print_json,
    print_result_tables,
    text_width,
)


def leaderboard(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="Name of a benchmark, in any spelling; see `fewact data list`.",
            autocompletion=completion.benchmarks,
        ),
    ],
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RESULT...",
            help="Result files written by `fewact evaluate` on the test classes.",
            callback=early.results,
        ),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of shots of the listed rows (default: any)."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Also list published rows of other settings, which tables as text and in LaTeX "
            "leave out.",
        ),
    ] = False,
    format: OutputFormat = "table",
) -> None:
    """List published accuracies together with your results.

    Every row has its source. Rows with another experimental setting are in a separate table, each
    with the reason. Your results are always listed. A table as text or in LaTeX has one line for
    each method, and numbered notes.
    """
    from fewact import evaluation
    from fewact.report import latex_notes, leaderboard_tables, short_tables

    paths = results or []
    rows = evaluation.leaderboard(
        benchmark,
        [evaluation.load(path) for path in paths],
        [str(path) for path in paths],
        shots=shots,
    )
    if format == "json":
        print_json([asdict(row) for row in rows])
        return
    if format not in ("table", "latex"):
        print_result_tables(leaderboard_tables(rows), format)
        return
    tables, notes = short_tables(rows, every=every)
    print_result_tables(tables, format)
    print()
    if format == "latex":
        print(latex_notes(notes), end="")
        return
    for note in notes:
        print(textwrap.fill(note, text_width(), subsequent_indent="    ", break_on_hyphens=False))
