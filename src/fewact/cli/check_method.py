"""``fewact check-method``: the promises of every method, checked on one."""

from pathlib import Path
from typing import Annotated

import typer

from fewact.cli.options import MethodOption
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
    from fewact.cli.options import parse_options
    from fewact.methods.files import method_of
    from fewact.methods.promises import check_method as check

    if name is None and file in methods.names():
        found, method = file, methods.REGISTRY.get(file)
    else:
        found, method = method_of(Path(file), name)
    outcomes = check(method, parse_options(option or []))
    broken = sum(one.error is not None for one in outcomes)
    if format == "json":
        promises = [
            {"promise": one.promise.text, "kept": one.error is None, "error": str(one.error or "")}
            for one in outcomes
        ]
        print_json({"method": found, "promises": promises})
    else:
        for one in outcomes:
            print(f"kept    {one.promise.text}" if one.error is None else f"BROKEN  {one.error}")
        print(f"{found}: {len(outcomes) - broken} of {len(outcomes)} promises kept")
    if broken:
        raise typer.Exit(USER_FAULT)
