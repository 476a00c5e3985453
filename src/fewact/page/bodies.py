"""Bodies: of requests, read within limits of size and time; of answers, removed once sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from fewact.core.bounded import KIB
from fewact.page.refused import RefusedError
from fewact.page.security import SECONDS_FOR_A_PART

LARGEST_JSON: Final = 64 * KIB
SLOWEST: Final = 16 * KIB
"""Bytes per second that an upload must reach after its first half minute."""

M = TypeVar("M", bound=BaseModel)


class Body(BaseModel):
    """Base of the JSON bodies."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FileSentOnce(FileResponse):
    """Answer with a temporary file, which is removed even if the client has left.

    Args:
        path: File.
        name: Name under which the browser saves it.
        opened: What removes the file.
    """

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
    """Return the size of the body that the request declares.

    Raises:
        RefusedError: It declares none, or more than ``most`` bytes.
    """
    text = request.headers.get("content-length", "")
    if not text.isdecimal():
        raise RefusedError(411, "no_length")
    if int(text) > most:
        raise RefusedError(413, "too_large")
    return int(text)


async def parts(request: Request, size: int) -> AsyncIterator[bytes]:
    """Yield the body in parts.

    Raises:
        RefusedError: It arrives too slowly, or is shorter or longer than declared.
    """
    found, begun = 0, time.monotonic()
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
        found += len(part)
        spent = time.monotonic() - begun
        if found > size or (spent > 30 and found < size and found / spent < SLOWEST):
            raise RefusedError(413 if found > size else 408, "too_slow")
        yield part
    if found != size:
        raise RefusedError(400, "cut_off")


async def json_body(request: Request, model: type[M]) -> M:
    """Return the JSON body.

    Raises:
        RefusedError: It is no JSON, too large, or has other values.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError(415, "not_json")
    size = declared_size(request, LARGEST_JSON)
    content = b"".join([part async for part in parts(request, size)])
    try:
        return model.model_validate_json(content)
    except (ValidationError, RecursionError):
        raise RefusedError(422, "not_json") from None
