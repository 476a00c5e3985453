"""Requests and their answers: content within limits, temporary files, and refusals.

A refusal is JSON for scripts, and a page where a browser opens the address.
"""

import asyncio
import importlib.resources
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from fewact.core.bounded import KIB
from fewact.page.facts import ErrorFacts
from fewact.page.state import PageValue, RefusedError

CLOSE: Final = {"connection": "close"}
"""Header of answers to requests whose rest is not read."""

SECONDS_FOR_A_PART: Final = 15.0
LARGEST_JSON: Final = 64 * KIB
SLOWEST: Final = 16 * KIB
"""Bytes per second that an upload must reach after its first half minute."""

ERROR_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Policy of the page of an error: its style is in it, and no code."""

STATIC: Final = importlib.resources.files("fewact.page").joinpath("static")

M = TypeVar("M", bound=PageValue)


class FileSentOnce(FileResponse):
    """Answer with a temporary file, which ``opened`` removes even if the client has left."""

    def __init__(self, path: Path, name: str, opened: ExitStack) -> None:
        # Each request makes a new file, so that parts of two do not fit together.
        headers = {"accept-ranges": "none"}
        super().__init__(
            path, headers=headers, media_type="application/octet-stream", filename=name
        )
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened.close()


def declared_size(request: Request, most: int) -> int:
    """Return the size that a request declares; refuse more than ``most`` bytes."""
    text = request.headers.get("content-length", "")
    if not text.isdecimal():
        raise RefusedError(411, "no_length")
    if int(text) > most:
        raise RefusedError(413, "too_large")
    return int(text)


async def parts(request: Request, size: int) -> AsyncIterator[bytes]:
    """Yield the body in parts; refuse what is slow, or shorter or longer than declared."""
    received, begun = 0, time.monotonic()
    stream = request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), SECONDS_FOR_A_PART)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise RefusedError(408, "too_slow") from None
        except ClientDisconnect:
            raise RefusedError(400, "cut_off") from None
        received += len(part)
        spent = time.monotonic() - begun
        if received > size or (spent > 30 and received < size and received / spent < SLOWEST):
            raise RefusedError(413 if received > size else 408, "too_slow")
        yield part
    if received != size:
        raise RefusedError(400, "cut_off")


async def json_body(request: Request, model: type[M]) -> M:
    """Return the JSON body; refuse other values."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError(415, "not_json")
    size = declared_size(request, LARGEST_JSON)
    content = b"".join([part async for part in parts(request, size)])
    try:
        return model.model_validate_json(content, strict=True)
    except (ValidationError, RecursionError):
        raise RefusedError(422, "not_json") from None


def texts() -> Any:
    """Return all texts of the page."""
    return json.loads(STATIC.joinpath("texts.json").read_text(encoding="utf-8"))


def error_page(error: ErrorFacts) -> str:
    """Return the page that says an error.

    Args:
        error: Key of a text in ``texts.json``, ``key``; if it is empty, ``what``, ``expected`` and
            ``hint`` of a ``UserError``.
    """
    words = texts()
    page = Template(STATIC.joinpath("refused.html").read_text(encoding="utf-8"))
    return page.substitute(lang=words["lang"], dir=words["dir"], text=escape(_text(error, words)))


def error_response(
    request: Request,
    error: ErrorFacts,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer to a request that failed: JSON, or a page where a browser opens one."""
    # Scripts do not name HTML; only browsers open the page itself.
    if request.scope["path"] != "/" and "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": error}, status, headers)
    policy = {"content-security-policy": ERROR_POLICY}
    return HTMLResponse(error_page(error), status, {**policy, **(headers or {})})


def _text(error: ErrorFacts, words: Any) -> str:
    """Return the words of an error, as ``errorText`` of texts.js does."""
    if error["key"]:
        return str(words["errors"][error["key"]])
    expected = f" ({error['expected']})" if error["expected"] else ""
    hint = f". {error['hint']}" if error["hint"] else ""
    return f"{error['what']}{expected}{hint}"
