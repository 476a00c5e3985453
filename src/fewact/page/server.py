"""The server: its routes, and how it starts and stops."""

import asyncio
import ipaddress
import logging
import re
import secrets
import socket
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Final, Literal

import uvicorn
from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fewact.classifier.names import Sides
from fewact.core.errors import OptionError, OutputError, UserError
from fewact.core.version import __version__
from fewact.data import VIDEO_SUFFIXES
from fewact.page.children import ChildError
from fewact.page.folder import MOST_BYTES, PageFolder, suffix_of
from fewact.page.jobs import facts_of
from fewact.page.names import class_name, file_name
from fewact.page.requests import (
    CLOSE,
    STATIC,
    FileSentOnce,
    declared_size,
    error_response,
    json_body,
    parts,
    texts,
)
from fewact.page.security import HTTP_PORT, Guard, TimedProtocol
from fewact.page.session import PageSession, step_facts
from fewact.page.state import (
    ActionChanged,
    AnyEntry,
    ClipsAdded,
    ClipsMoved,
    GoneError,
    PageClip,
    PageState,
    PageValue,
    RefusedError,
    StepUndone,
    new_id,
)

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_CONNECTIONS: Final = 200
TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".ogv": "video/ogg",
}
MOST_PIECES: Final = 60
LARGEST_FRAME: Final = 4 * 640 * 640
REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Policy of pages that are files by themselves: style and images are in them, and no code."""

SECONDS_TO_WAIT: Final = 20.0

Handler = Callable[[PageSession, Request], Awaitable[Response]]


class _Name(PageValue):
    name: str


class _Rename(_Name):
    to: str


class _Segment(PageValue):
    start: float
    end: float
    label: str
    box: Sides | None = None


class _Clips(PageValue):
    ids: list[str]


class _Relabel(_Clips):
    label: str | None


class _Box(_Clips):
    box: Sides | None


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
        options: Options of the classifier: ``device``, ``engine``, ``pose``.
        imports: Python files with methods that the model may use; they are executed.
        say: Called with each line for the user.
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
        logging.getLogger("uvicorn.error").addFilter(_is_fault)
        server = PageServer(session, token=token, hosts=_hosts(host, listener))
        asyncio.run(_run(server, listener, address if browser else None))


class PageServer(uvicorn.Server):
    """Server of a session, which lets waiting tabs go when it stops; see ``create_app``."""

    def __init__(self, session: PageSession, *, token: str, hosts: Iterable[str]) -> None:
        config = uvicorn.Config(
            create_app(session, token=token, hosts=hosts),
            http=TimedProtocol,
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
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


async def _run(server: PageServer, listener: socket.socket, address: str | None) -> None:
    browser = asyncio.to_thread(webbrowser.open, address) if address else asyncio.sleep(0)
    opening = asyncio.ensure_future(browser)
    await server.serve(sockets=[listener])
    opening.cancel()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; refuse an address that is none of this computer, or is taken."""
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
    address = str(listener.getsockname()[0]).partition("%")[0]
    return ipaddress.ip_address(address).is_loopback


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def create_app(page: PageSession, *, token: str, hosts: Iterable[str]) -> Starlette:
    """Return the application of a page.

    Args:
        page: The page.
        token: Secret that a browser needs.
        hosts: Values of the header ``Host`` that are this server.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await page.start()
        yield
        await page.stop()

    def route(path: str, handler: Handler, method: str = "POST") -> Route:
        return Route(path, _answering(page, handler), methods=[method])

    return Starlette(
        routes=[
            route("/", _index, "GET"),
            route("/static/{name}", _static, "GET"),
            route("/media/{source}", _media, "GET"),
            route("/strip/{source}", _strip, "GET"),
            route("/api/state", _state, "GET"),
            route("/api/clips", _upload),
            route("/api/clips/label", _move("label", _Relabel)),
            route("/api/clips/remove", _move("remove", _Clips)),
            route("/api/clips/restore", _move("restore", _Clips)),
            route("/api/clips/box", _move("box", _Box)),
            route("/api/clips/forget", _forget),
            route("/api/clips/{id}/predict", _predict),
            route("/api/clips/{id}/segment", _segment),
            route("/why/{id}", _report, "GET"),
            route("/report", _report, "GET"),
            route("/api/live", _live),
            route("/api/classes", _add_class),
            route("/api/classes/rename", _rename_class),
            route("/api/classes/remove", _remove_class),
            route("/api/undo", _undo),
            route("/api/export", _export, "GET"),
            route("/api/import", _import),
            route("/api/teach", _teach),
            route("/api/jobs/{id}/cancel", _cancel),
        ],
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        lifespan=lifespan,
    )


def _answering(page: PageSession, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Turn errors of a handler into answers: JSON, or a page where a browser opens one."""

    async def answer(request: Request) -> Response:
        request.state.id = _id(request)
        if entry := page.folder.journal.entry(request.state.id):
            return _recorded(entry, CLOSE)  # the body of a request that arrives again is not read
        try:
            return await handler(page, request)
        except RefusedError as error:
            return error_response(request, {"key": error.key}, error.status, CLOSE)
        except ChildError as error:
            return error_response(request, {"key": f"decoder_{error.reason}"}, 422)
        except OutputError as error:
            return error_response(request, facts_of(error), 507, CLOSE)
        except UserError as error:
            return error_response(request, facts_of(error), 422)

    return answer


def _id(request: Request) -> str:
    """Return the id of the entry that a request makes: a browser may send it again."""
    id = request.headers.get("x-request", "")
    return id if re.fullmatch("[0-9a-z]{1,32}", id) else new_id()


def _recorded(entry: AnyEntry, headers: dict[str, str] | None = None) -> Response:
    match entry:
        case ClipsAdded():
            return JSONResponse({"ids": list(entry.clips)}, 201, headers)
        case StepUndone():
            return JSONResponse({"undone": step_facts(entry.step)}, 200, headers)
    return JSONResponse({}, 200, headers)


_STATIC: Final = {
    entry.name: entry.read_bytes()
    for entry in STATIC.iterdir()
    if PurePosixPath(entry.name).suffix in (".css", ".js", ".svg")
}


async def _index(page: PageSession, request: Request) -> Response:
    page.open()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(STATIC.joinpath("page.html").read_text(encoding="utf-8"))
    content = template.render(
        texts=texts(),
        videos=" ".join(sorted(VIDEO_SUFFIXES)),
        name=page.folder.model.name,
        version=__version__,
    )
    return Response(content, media_type="text/html; charset=utf-8")


async def _static(page: PageSession, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise GoneError
    return Response(
        _STATIC[name],
        media_type=TYPES[PurePosixPath(name).suffix],
        headers={"cache-control": "no-cache"},
    )


async def _media(page: PageSession, request: Request) -> Response:
    file = _file_of(page, request)
    type = TYPES.get(PurePosixPath(file).suffix, "application/octet-stream")
    return _sent(page.folder.path / file, type)


async def _strip(page: PageSession, request: Request) -> Response:
    return _sent(page.folder.strip(_file_of(page, request)), "image/jpeg")


def _sent(path: Path, type: str) -> Response:
    if not path.is_file():
        raise GoneError
    return FileResponse(path, media_type=type)  # not kept by the browser: it may be deleted


def _file_of(page: PageSession, request: Request) -> str:
    """Return the file of a clip; the client's text only selects one of the state's."""
    source = request.path_params["source"]
    for clip in page.state.clips.values():
        if clip.file is not None and PurePosixPath(clip.file).stem == source:
            return clip.file
    raise GoneError


async def _state(page: PageSession, request: Request) -> Response:
    after = request.query_params.get("after", "")
    if after.isdecimal() and len(after) < 16:
        await page.newer_than(int(after), SECONDS_TO_WAIT)
    return JSONResponse(page.facts())


async def _upload(page: PageSession, request: Request) -> Response:
    clip, pieces = _described(page, request)
    async with _received(page, request, clips=pieces) as path:
        batch = request.query_params.get("batch", "")[:32]
        suffix = suffix_of(clip.name)
        return _recorded(await page.add(request.state.id, path, suffix, clip, pieces, batch))


@asynccontextmanager
async def _received(page: PageSession, request: Request, *, clips: int = 0) -> AsyncIterator[Path]:
    """Yield the body, which adds so many clips, as a file; see ``PageFolder.incoming``."""
    size = declared_size(request, MOST_BYTES)
    with page.folder.reserved(size=size, clips=clips):
        async with page.uploads:
            with page.folder.incoming() as path:
                with path.open("wb") as file:
                    async for part in parts(request, size):
                        file.write(part)
                yield path


def _described(page: PageSession, request: Request) -> tuple[PageClip, int]:
    """Return the clip that the query of an upload describes, and the number of its pieces."""
    query = request.query_params
    name = file_name(query.get("name", ""))
    label, pieces = query.get("label"), query.get("pieces", "1")
    label = None if label is None else page.state.label(label)
    if not re.fullmatch("[0-9]{1,4}", pieces) or not 1 <= int(pieces) <= MOST_PIECES:
        raise RefusedError(422, "bad_request")
    return PageClip(name=name or "clip", label=label), int(pieces)


def _move(what: Literal["label", "remove", "restore", "box"], form: type[_Clips]) -> Handler:
    """Return the handler that labels clips, removes them, brings them back, or sets their box."""

    async def handler(page: PageSession, request: Request) -> Response:
        body = await json_body(request, form)

        def moved(state: PageState) -> AnyEntry:
            box = body.box if isinstance(body, _Box) else None
            for id in body.ids:
                state.clip(id).check_box(box)
            label = body.label if isinstance(body, _Relabel) else None
            name = None if label is None else state.label(label)
            ids = tuple(body.ids)
            return ClipsMoved(id=request.state.id, what=what, clips=ids, label=name, box=box)

        return _recorded(await page.record(request.state.id, moved))

    return handler


async def _forget(page: PageSession, request: Request) -> Response:
    body = await json_body(request, _Clips)
    await page.forget(request.state.id, body.ids)
    return JSONResponse({})


async def _add_class(page: PageSession, request: Request) -> Response:
    name = class_name((await json_body(request, _Name)).name)

    def added(state: PageState) -> AnyEntry:
        if name in state.classes:
            raise RefusedError(409, "name_taken")
        return ActionChanged(id=request.state.id, what="add_class", name=name)

    return _recorded(await page.record(request.state.id, added))


async def _rename_class(page: PageSession, request: Request) -> Response:
    body = await json_body(request, _Rename)
    to = class_name(body.to)
    if to == body.name:
        return JSONResponse({})

    def renamed(state: PageState) -> AnyEntry:
        state.check_action(body.name)
        if to in state.classes:
            raise RefusedError(409, "name_taken")
        return ActionChanged(id=request.state.id, what="rename", name=body.name, to=to)

    return _recorded(await page.record(request.state.id, renamed))


async def _remove_class(page: PageSession, request: Request) -> Response:
    body = await json_body(request, _Name)

    def removed(state: PageState) -> AnyEntry:
        state.check_action(body.name)
        return ActionChanged(id=request.state.id, what="remove_class", name=body.name)

    return _recorded(await page.record(request.state.id, removed))


async def _export(page: PageSession, request: Request) -> Response:
    with ExitStack() as until_sent:
        path = until_sent.enter_context(page.folder.incoming())
        await page.export(path)
        return FileSentOnce(path, f"{page.folder.model.name}.safetensors", until_sent.pop_all())


async def _import(page: PageSession, request: Request) -> Response:
    name = file_name(request.query_params.get("name", "")) or "model"
    async with _received(page, request) as path:
        return _recorded(await page.replace_model(request.state.id, path, name))


async def _undo(page: PageSession, request: Request) -> Response:
    id = request.state.id
    return _recorded(await page.record(id, lambda state: StepUndone(id=id, step=state.last_step)))


async def _teach(page: PageSession, request: Request) -> Response:
    labels = {clip.label for clip in page.state.training_clips.values()}
    if len(labels) < 2:
        raise RefusedError(409, "needs_two")
    return JSONResponse({"job": page.teach(_tab(request)).id}, 202)


async def _predict(page: PageSession, request: Request) -> Response:
    apart = {"1": True, "0": False}.get(request.query_params.get("apart", ""))
    job = page.predict(request.path_params["id"], _tab(request), apart=apart)
    return JSONResponse({"job": job.id}, 202)


async def _report(page: PageSession, request: Request) -> Response:
    content = await page.report(request.path_params.get("id"))
    return HTMLResponse(content, headers={"content-security-policy": REPORT_POLICY})


async def _segment(page: PageSession, request: Request) -> Response:
    body = await json_body(request, _Segment)
    with ExitStack() as reserved:

        def added(state: PageState) -> AnyEntry:
            span = body.start, body.end
            clip = state.segment(request.path_params["id"], *span, body.label, body.box)
            if id := state.id_of(clip.key):
                number = state.clips[id].name_number
                clip = clip.model_copy(update={"name_number": number})
            else:
                reserved.enter_context(page.folder.reserved(clips=1))
            return ClipsAdded(id=request.state.id, clips={id or new_id(): clip})

        return _recorded(await page.record(request.state.id, added))


async def _live(page: PageSession, request: Request) -> Response:
    query = request.query_params
    numbers = [query.get(name, "") for name in ("width", "height", "time")]
    if not all(re.fullmatch(r"[0-9]{1,8}", text) for text in numbers):
        raise RefusedError(422, "bad_request")
    width, height, time = map(int, numbers)
    size = declared_size(request, LARGEST_FRAME)
    if not 0 < size == 4 * width * height:
        raise RefusedError(422, "bad_request")
    pixels = b"".join([part async for part in parts(request, size)])
    stream = query.get("stream", "")[:64]
    return JSONResponse(await page.look(stream, (width, height), time / 1000, pixels))


async def _cancel(page: PageSession, request: Request) -> Response:
    page.queue.cancel(request.path_params["id"])
    return JSONResponse({})


def _tab(request: Request) -> str:
    return request.headers.get("x-tab", "")[:32]
