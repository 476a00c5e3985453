"""``fewact serve``: teach and use a model in the browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from fewact.cli import arguments
from fewact.cli.option_groups import OptionGroup, with_option_groups
from fewact.cli.options import Device, Engine, Imports
from fewact.cli.run import say


@dataclass(frozen=True, kw_only=True)
class ServerOptions(OptionGroup):
    """Options of the server."""

    heading: ClassVar[str] = "Server"

    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Other computers can reach the page unless it is a "
            "loopback address, such as 127.0.0.1, ::1 or localhost.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: a free one."),
    ] = 0
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True


@with_option_groups
def serve(
    server: ServerOptions,
    model: Annotated[
        Path,
        typer.Argument(help="Folder of the model. A new folder starts with an empty page."),
    ] = Path("my-actions"),
    imports: Imports = None,
    engine: Engine = "auto",
    device: Device = "auto",
) -> None:
    """Teach and use a model in the browser, on this computer only.

    Clips and corrections are kept in the folder of the model. The other commands can use the same
    folder.
    """
    arguments.extra("the page", "web", "starlette", "uvicorn")
    from fewact.page.server import serve as run

    run(
        model,
        host=server.host,
        port=server.port,
        browser=server.browser,
        options={"engine": engine, "device": device},
        imports=imports or (),
        say=say,
    )
