"""Closing of connections: an answer that comes before the end of the request must still arrive."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Send

SECONDS: Final = 30.0
"""Longest time for which the rest of a refused request is read."""

SECONDS_FOR_A_PART: Final = 5.0


class LingeringClose:
    """The two directions of a request whose answer may close the connection.

    A system that closes a connection with unread bytes resets it, and the client then may lose an
    answer that it has not read yet. So the rest of the request is read and dropped first, as web
    servers do it.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._closes = self._is_read = False

    async def receive(self) -> Message:
        """Return the next part of the request."""
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; read the rest of the request before the connection closes."""
        if message["type"] == "http.response.start":
            self._closes = Headers(raw=message["headers"]).get("connection") == "close"
        elif self._closes and not self._is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _drop(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not self._is_read:
                    await asyncio.wait_for(self.receive(), SECONDS_FOR_A_PART)
