"""``fewact compare``: whether results on the same episodes differ."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.evaluate import Format, OutputFormat
from fewact.cli.output import print_json


def compare(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Files of `fewact evaluate`.")
    ],
    format: OutputFormat = Format.TABLE,
) -> None:
    """Compare results on the same episodes, pair by pair.

    Results on other episodes are refused. Shown are the mean difference with its 95 % interval, and
    how often chance alone would make it so large, by the exact sign-flip test over episodes; also
    corrected for the number of pairs (Holm).
    """
    from fewact import evaluation
    from fewact.report import TableFormat, comparison_table, render

    names = [str(path) for path in results]
    found = evaluation.compare([evaluation.load(path) for path in results], names)
    if format is Format.JSON:
        print_json(
            [
                {**asdict(one), "first": names[one.first], "second": names[one.second]}
                for one in found
            ]
        )
        return
    print(render(comparison_table(found, names), TableFormat(format.value)), end="")
