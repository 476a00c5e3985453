"""Starting and stopping the server."""

import asyncio
import ipaddress
import logging
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from fewact.core.errors import OptionError
from fewact.page.app import create_app
from fewact.page.folder import PageFolder
from fewact.page.security import HTTP_PORT, TimedProtocol
from fewact.page.session import PageSession

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_CONNECTIONS: Final = 200


def serve(
    model: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    options: dict[str, str],
    imports: Sequence[Path] = (),
    say: Callable[[str], None],
) -> None:
    """Serve the page of a model until it is interrupted.

    Args:
        model: Folder of the model; it is created if it does not exist.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        browser: Whether to open the page in the browser.
        options: Options of the classifier: ``device`` and ``engine``.
        imports: Python files with methods that the model may use; they are executed.
        say: Called with each line for the user.

    Raises:
        ModelError: The folder has other files, or another server has it open.
        OptionError: The address is not one of this computer, or is taken.
    """
    with closing(PageFolder(model)) as folder, _listen(host, port) as listener:
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        address = f"http://{_bracketed(host)}:{port}/?token={token}"
        if not _is_loopback(listener):
            say(
                f"Warning: {host} is open to other computers. Who has the address below can see "
                "the clips. Browsers allow the camera only on this computer."
            )
        say(f"Page of {folder.model}: {address}")
        say("Keep this window open. Ctrl+C stops.")
        session = PageSession(folder, options, imports)
        config = uvicorn.Config(
            create_app(session, token=token, hosts=_hosts(host, listener)),
            http=TimedProtocol,
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        logging.getLogger("uvicorn.error").addFilter(_is_fault)
        asyncio.run(_run(_Server(config, session), listener, address if browser else None))


class _Server(uvicorn.Server):
    """Server that lets waiting tabs go when it is told to stop."""

    def __init__(self, config: uvicorn.Config, session: PageSession) -> None:
        super().__init__(config)
        self._session = session

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        super().handle_exit(sig, frame)
        self._session.release()


def _is_fault(record: logging.LogRecord) -> bool:
    """Return whether uvicorn logs more than that it cancels requests because it stops."""
    is_cancelled = record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not (is_cancelled or record.getMessage().startswith("Cancel "))


async def _run(server: uvicorn.Server, listener: socket.socket, address: str | None) -> None:
    browser = None
    if address is not None:
        browser = asyncio.create_task(asyncio.to_thread(webbrowser.open, address))
    await server.serve(sockets=[listener])
    if browser is not None:
        browser.cancel()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OptionError: The address is not one of this computer, or is taken.
    """
    if host in ("", "0.0.0.0", "::"):
        raise OptionError(
            "name one address",
            where="--host",
            got=host,
            expected="an address of this computer, which the page then answers to",
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with ExitStack() as until_end:
            listener = until_end.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(128)
            until_end.pop_all()
    except (OSError, OverflowError, TypeError, UnicodeError) as error:  # of names, too
        raise OptionError(
            "cannot listen there",
            where="--host, --port",
            got=f"{host}:{port} ({getattr(error, 'strerror', None) or error})",
            expected="an address of this computer, and a port that is free",
        ) from error
    return listener


def _hosts(host: str, listener: socket.socket) -> set[str]:
    """Return what browsers send as ``Host``: in lower case, and without the port of HTTP."""
    address, port = listener.getsockname()[:2]
    names = {name.lower() for name in (*LOOPBACK, _bracketed(host), _bracketed(address))}
    return {f"{name}:{port}" for name in names} | (names if port == HTTP_PORT else set())


def _is_loopback(listener: socket.socket) -> bool:
    """Return whether only this computer can connect."""
    address = str(listener.getsockname()[0]).partition("%")[0]
    return ipaddress.ip_address(address).is_loopback


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
