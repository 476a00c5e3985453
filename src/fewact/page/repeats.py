"""Requests that arrive again: browsers repeat one whose connection was lost before the answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response

from fewact.page.security import CLOSE

KEPT: Final = 500
"""Number of requests whose answers are kept."""


@dataclass
class _Request:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    response: Response | None = None


class Repeats:
    """Answers of the latest changes, so that none is made twice."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, _Request] = OrderedDict()

    async def answer(self, id: str, work: Callable[[], Awaitable[Response]]) -> Response:
        """Return the answer to a request; one that arrives again gets that of the first.

        It waits while the first one is at work. If that one fails, the work is done again.

        Args:
            id: What the client calls the request; empty if it is not known when it arrives again.
            work: Makes the answer.
        """
        if not id:
            return await work()
        request = self._requests.setdefault(id, _Request())
        if len(self._requests) > KEPT:
            self._requests.popitem(last=False)
        async with request.lock:
            if request.response is None:
                request.response = await work()
                return request.response
        first = request.response
        # The body of this one is not read.
        return Response(first.body, first.status_code, CLOSE, first.media_type)
