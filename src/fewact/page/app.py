"""The routes of the page."""

import importlib.resources
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fewact.core.errors import OutputError, UserError
from fewact.core.version import __version__
from fewact.data import BACKGROUND, VIDEO_SUFFIXES
from fewact.page.children import ChildError
from fewact.page.folder import MOST_BYTES, suffix_of
from fewact.page.jobs import facts_of
from fewact.page.names import class_name, file_name
from fewact.page.refused import GoneError, RefusedError
from fewact.page.requests import (
    CLOSE,
    FileSentOnce,
    RequestBody,
    declared_size,
    error_response,
    json_body,
    parts,
)
from fewact.page.security import Guard
from fewact.page.session import PageSession, step_facts
from fewact.page.state import (
    ActionChanged,
    AnyEntry,
    ClipsAdded,
    ClipsMoved,
    PageClip,
    PageState,
    StepUndone,
    new_id,
)

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


class _Name(RequestBody):
    name: str


class _Rename(RequestBody):
    name: str
    to: str


class _Segment(RequestBody):
    start: float
    end: float
    label: str


class _Clips(RequestBody):
    ids: list[str]


class _Relabel(_Clips):
    label: str | None


def create_app(page: PageSession, *, token: str, hosts: Iterable[str]) -> Starlette:
    """Return the application of a page.

    Args:
        page: State of the page.
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
            route("/api/clips/forget", _forget),
            route("/api/clips/{id}/predict", _predict),
            route("/api/clips/{id}/segment", _segment),
            route("/why/{id}", _why, "GET"),
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
    """Return the answer to a request that made an entry."""
    match entry:
        case ClipsAdded():
            return JSONResponse({"ids": list(entry.clips)}, 201, headers)
        case StepUndone():
            return JSONResponse({"undone": step_facts(entry.step)}, 200, headers)
    return JSONResponse({}, 200, headers)


def _load(name: str) -> bytes:
    return importlib.resources.files("fewact.page").joinpath("static", name).read_bytes()


def _static_files() -> dict[str, bytes]:
    folder = importlib.resources.files("fewact.page").joinpath("static")
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if PurePosixPath(entry.name).suffix in (".css", ".js", ".svg")
    }


_STATIC: Final = _static_files()


async def _index(page: PageSession, request: Request) -> Response:
    page.open()
    texts = json.loads(_load("texts.json"))
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _load("page.html").decode()
    )
    content = template.render(
        texts=texts,
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
    return _sent(page.folder.file(file), type)


async def _strip(page: PageSession, request: Request) -> Response:
    return _sent(page.folder.strip(_file_of(page, request)), "image/jpeg")


def _sent(path: Path, type: str) -> Response:
    if not path.is_file():
        raise GoneError
    return FileResponse(
        path, media_type=type
    )  # not kept by the browser: it may be deleted for good


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
    """Yield the body as a file; it is removed at the end unless ``PageFolder.keep`` has moved it.

    Args:
        page: State of the page.
        request: Request with the body.
        clips: Number of clips that it adds.

    Raises:
        RefusedError: It is too large, is cut off, or adds too many clips.
        OutputError: The disk refuses, or would be nearly full.
    """
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
    checked = None if label is None else page.state.label(label)
    if not re.fullmatch("[0-9]{1,4}", pieces) or not 1 <= int(pieces) <= MOST_PIECES:
        raise RefusedError(422, "bad_request")
    return PageClip(file=None, name=name or "clip", label=checked), int(pieces)


def _move(what: Literal["label", "remove", "restore"], form: type[_Clips]) -> Handler:
    """Return what labels clips, removes them, or brings them back."""

    async def handler(page: PageSession, request: Request) -> Response:
        body = await json_body(request, form)

        def moved(state: PageState) -> AnyEntry:
            for id in body.ids:
                state.clip(id)
            label = body.label if isinstance(body, _Relabel) else None
            name = None if label is None else state.label(label)
            return ClipsMoved(id=request.state.id, what=what, clips=tuple(body.ids), label=name)

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
    if len(labels - {BACKGROUND}) < 2:
        raise RefusedError(409, "needs_two")
    return JSONResponse({"job": page.teach(_tab(request)).id}, 202)


async def _predict(page: PageSession, request: Request) -> Response:
    job = page.predict(request.path_params["id"], _tab(request))
    return JSONResponse({"job": job.id}, 202)


async def _why(page: PageSession, request: Request) -> Response:
    content = await page.explain(request.path_params["id"])
    return HTMLResponse(content, headers={"content-security-policy": REPORT_POLICY})


async def _report(page: PageSession, request: Request) -> Response:
    headers = {"content-security-policy": REPORT_POLICY}
    return HTMLResponse(await page.report(), headers=headers)


async def _segment(page: PageSession, request: Request) -> Response:
    body = await json_body(request, _Segment)
    with ExitStack() as reserved:

        def added(state: PageState) -> AnyEntry:
            clip = state.segment(request.path_params["id"], body.start, body.end, body.label)
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
    """Return which tab asks; tabs take turns in the queue."""
    return request.headers.get("x-tab", "")[:32]
