"""``fewact serve``: teach and use a model in the browser."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fewact.cli.command import SpecOptions, with_specs
from fewact.cli.options import Imports, PoseAsTaught
from fewact.cli.run import say
from fewact.core.extras import check_extra
from fewact.networks import BackboneSpec


@with_specs
def serve(
    backbone: Annotated[
        dict[str, Any], SpecOptions("Backbone", BackboneSpec, only=("engine", "device"))
    ],
    model: Annotated[
        Path,
        typer.Argument(help="Folder of the model. A new folder starts with an empty page."),
    ] = Path("my-actions"),
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Other computers can reach the page unless it is a "
            "loopback address, such as 127.0.0.1, ::1 or localhost.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: a free one."),
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    pose: PoseAsTaught = None,
    imports: Imports = None,
) -> None:
    """Teach and use a model in the browser, on this computer only.

    Clips and corrections are kept in the folder of the model. The other commands can use the same
    folder.
    """
    check_extra("the page", "web", "starlette", "uvicorn")
    from fewact.page.server import serve as run

    run(
        model,
        host=host,
        port=port,
        browser=browser,
        options={"engine": "auto", "device": "auto", **({"pose": pose} if pose else {})} | backbone,
        imports=imports or (),
        say=say,
    )
