"""``fewact check-method``: the promises of a method, tried on made-up features."""

from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.options import MethodOption, parse_options
from fewact.cli.output import ListOutputFormat, print_json
from fewact.cli.run import USER_FAULT


def check_method(
    file: Annotated[
        str, typer.Argument(help="Python file of the method, or name of a registered method.")
    ],
    name: Annotated[
        str | None, typer.Argument(help="Name of the method, if the file defines several.")
    ] = None,
    option: MethodOption = None,
    format: ListOutputFormat = "table",
) -> None:
    """Check that a method keeps what all methods promise.

    The file is executed. Its method is tried on made-up features: queries alone and together,
    permuted classes, uneven shots, float32 and float64, features of zero, gradients. A broken
    promise is listed with what was got and where to look; the exit code is then 2.
    """
    from fewact import methods
    from fewact.lab.methods.promises import check_method as check
    from fewact.methods.files import method_of

    if name is None and file in methods.names():
        known_as, method = file, methods.REGISTRY.get(file)
    else:
        known_as, method = method_of(Path(file), name)
    outcomes = check(method, parse_options(option or []))
    broken = sum(outcome.error is not None for outcome in outcomes)
    if format == "json":
        promises = [
            {
                "promise": outcome.promise.text,
                "kept": outcome.error is None,
                "error": str(outcome.error or ""),
            }
            for outcome in outcomes
        ]
        print_json({"method": known_as, "promises": promises})
    else:
        for outcome in outcomes:
            print(
                f"kept    {outcome.promise.text}"
                if outcome.error is None
                else f"BROKEN  {outcome.error}"
            )
        print(f"{known_as}: {len(outcomes) - broken} of {len(outcomes)} promises kept")
    if broken:
        raise typer.Exit(USER_FAULT)
