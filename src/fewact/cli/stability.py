"""``fewact stability``: how many episodes it takes until an accuracy holds still."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.evaluate import Format, OutputFormat
from fewact.cli.output import print_json
from fewact.cli.run import say
from fewact.errors import ResultError


def stability(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Files of `fewact evaluate`.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SVG file for a picture.")
    ] = None,
    format: OutputFormat = Format.TABLE,
) -> None:
    """Show the accuracy over the first 10, 20, 50 … episodes."""
    from fewact import evaluation
    from fewact.io.atomic import write_text
    from fewact.report import TableFormat, render, stability_chart, stability_table

    if output is not None and output.exists():
        raise ResultError("the file is there already", where=str(output), hint="Name another one.")
    found = {str(path): evaluation.stability(evaluation.load(path)) for path in results}
    if output is not None:
        write_text(output, stability_chart(found))
        say(f"Drawn in {output}")
    if format is Format.JSON:
        print_json({name: [asdict(point) for point in points] for name, points in found.items()})
        return
    print(render(stability_table(found), TableFormat(format.value)), end="")
