"""What a request must have before anything else looks at it, and what every answer has.

The server listens on this computer, but so do other users' programs, and web sites can make the
browser send requests here. A request needs the token that only the terminal has shown, a host name
of this computer (a site can point its own name here), and, if it says where it comes from, the
page's own origin.
"""

import asyncio
import hmac
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fewact.page.requests import CLOSE, error_response

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; frame-src 'self' blob:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

HTTP_PORT: Final = 80
SECONDS_FOR_HEADERS: Final = 10.0
SECONDS_TO_DROP: Final = 30.0
"""Longest time for which the rest of a refused request is read."""

SECONDS_FOR_A_DROPPED_PART: Final = 5.0


class Guard:
    """Refuses requests that do not come from the page; ``hosts`` are in lower case."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: Iterable[str]) -> None:
        self._app, self._token, self._hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        ends = LingeringClose(receive, send)
        await self._respond_to(Request(scope))(scope, ends.receive, ends.send)

    def _respond_to(self, request: Request) -> ASGIApp:
        """Return what answers a request: the application, or a refusal."""
        headers = request.headers
        hosts = [host.lower() for host in headers.getlist("host")]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refusal(request, 421, "host")
        if not self._is_own_origin(request.method, headers):
            return _refusal(request, 403, "origin")
        if request.scope["path"] == "/" and self._is_token(request.query_params.get("token", "")):
            cookie = f"{self._cookie(headers)}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            return Response(
                status_code=303, headers={"location": "/", "set-cookie": cookie, **CLOSE}
            )
        if not self._is_token(request.cookies.get(self._cookie(headers), "")):
            return _refusal(request, 401, "token")
        return self._app

    def _is_own_origin(self, method: str, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return method in ("GET", "HEAD") and headers.get("sec-fetch-site", "none") in (
                "none",
                "same-origin",
            )
        return origin == f"http://{headers['host'].lower()}"

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    @staticmethod
    def _cookie(headers: Headers) -> str:
        # Cookies are shared by all ports of a host; browsers leave the port of HTTP out.
        port = re.search(r":([0-9]+)$", headers["host"])
        return f"fewact-{port[1] if port else HTTP_PORT}"


def _refusal(request: Request, status: int, key: str) -> Response:
    return error_response(request, {"key": key}, status, CLOSE)


class LingeringClose:
    """The two directions of a request whose answer has ``HEADERS`` and may close the connection.

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
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            self._closes = headers.get("connection") == "close"
        elif self._closes and not self._is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _drop(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_DROP):
                while not self._is_read:
                    await asyncio.wait_for(self.receive(), SECONDS_FOR_A_DROPPED_PART)


class TimedProtocol(H11Protocol):
    """HTTP with a time limit for the headers of a request, and a place for each new connection."""

    _timer: asyncio.TimerHandle | None = None
    _begun_at = 0.0

    def connection_made(self, transport: Any) -> None:
        """Start the time for the first request."""
        super().connection_made(transport)
        self._start_timer()
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency:
            self._make_place()

    def data_received(self, data: bytes) -> None:
        """Stop the time when the headers are complete."""
        if self._timer is None and self._idle:
            self._start_timer()
        super().data_received(data)
        if not self._idle:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _make_place(self) -> None:
        """Close the oldest connection without a complete request, or else one that was refused.

        Both cost a client no token: they must not keep the page from its user.
        """
        others = [x for x in self.connections - {self} if isinstance(x, TimedProtocol)]
        begun = [other for other in others if other._timer]
        refused = [other for other in others if other.cycle and not other.cycle.keep_alive]
        if begun or refused:
            oldest = min(begun, key=lambda other: other._begun_at) if begun else refused[0]
            self.connections.discard(oldest)
            oldest.transport.abort()

    def _start_timer(self) -> None:
        self._begun_at = self.loop.time()
        self._timer = self.loop.call_later(SECONDS_FOR_HEADERS, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
        # Browsers open connections ahead, and would take a 408 for the answer to a request that
        # they send at this moment; a request that meets a closed connection is sent again.
        self.transport.close()
