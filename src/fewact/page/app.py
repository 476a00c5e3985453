"""The routes of the page."""

import importlib.resources
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fewact.core.errors import OutputError, UserError
from fewact.core.version import __version__
from fewact.data import BACKGROUND, VIDEO_SUFFIXES
from fewact.page.bodies import Body, FileSentOnce, declared_size, json_body, parts
from fewact.page.children import ChildError
from fewact.page.clip import Clip
from fewact.page.clip_names import file_name
from fewact.page.document import Document
from fewact.page.error_page import error_response
from fewact.page.jobs import facts_of
from fewact.page.names import class_name
from fewact.page.refused import GoneError, RefusedError
from fewact.page.security import CLOSE, Guard
from fewact.page.state import Page, step_facts
from fewact.page.store import MOST_BYTES, new_id, suffix_of

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

Handler = Callable[[Page, Request], Awaitable[Response]]


class _Name(Body):
    name: str


class _Rename(Body):
    name: str
    to: str


class _Segment(Body):
    start: float
    end: float
    label: str


class _Clips(Body):
    ids: list[str]


class _Relabel(_Clips):
    label: str | None


def create_app(page: Page, *, token: str, hosts: Iterable[str]) -> Starlette:
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
        once = _once(handler) if method == "POST" else handler
        return Route(path, _answering(page, once), methods=[method])

    return Starlette(
        routes=[
            route("/", _index, "GET"),
            route("/static/{name}", _static, "GET"),
            route("/media/{source}", _media, "GET"),
            route("/strip/{source}", _strip, "GET"),
            route("/api/state", _state, "GET"),
            route("/api/clips", _upload),
            route("/api/clips/label", _relabel),
            route("/api/clips/remove", _remove),
            route("/api/clips/restore", _restore),
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


def _answering(page: Page, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Turn errors of a handler into answers: JSON, or a page where a browser opens one."""

    async def answer(request: Request) -> Response:
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


def _once(handler: Handler) -> Handler:
    """Make a change once, though its request arrives again."""

    async def answer(page: Page, request: Request) -> Response:
        id = request.headers.get("x-request", "")[:32]
        return await page.repeats.answer(id, lambda: handler(page, request))

    return answer


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


async def _index(page: Page, request: Request) -> Response:
    page.open()
    texts = json.loads(_load("texts.json"))
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _load("page.html").decode()
    )
    content = template.render(
        texts=texts,
        videos=" ".join(sorted(VIDEO_SUFFIXES)),
        name=page.store.model.name,
        version=__version__,
    )
    return Response(content, media_type="text/html; charset=utf-8")


async def _static(page: Page, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise GoneError
    return Response(
        _STATIC[name],
        media_type=TYPES[PurePosixPath(name).suffix],
        headers={"cache-control": "no-cache"},
    )


async def _media(page: Page, request: Request) -> Response:
    file = _file_of(page, request)
    type = TYPES.get(PurePosixPath(file).suffix, "application/octet-stream")
    return _sent(page.store.path(file), type)


async def _strip(page: Page, request: Request) -> Response:
    return _sent(page.store.strip(_file_of(page, request)), "image/jpeg")


def _sent(path: Path, type: str) -> Response:
    if not path.is_file():
        raise GoneError
    return FileResponse(
        path, media_type=type, headers={"cache-control": "private, max-age=31536000, immutable"}
    )


def _file_of(page: Page, request: Request) -> str:
    """Return the file of a clip; the client's text only selects one of the document's."""
    source = request.path_params["source"]
    for clip in page.document.clips.values():
        if clip.file is not None and PurePosixPath(clip.file).stem == source:
            return clip.file
    raise GoneError


async def _state(page: Page, request: Request) -> Response:
    after = request.query_params.get("after", "")
    if after.isdecimal() and len(after) < 16:
        await page.newer_than(int(after), SECONDS_TO_WAIT)
    return JSONResponse(page.facts())


async def _upload(page: Page, request: Request) -> Response:
    clip, pieces = _described(page, request)
    async with _received(page, request, clips=pieces) as path:
        batch = request.query_params.get("batch", "")[:32]
        ids = await page.add(path, suffix_of(clip.name), clip, pieces, batch)
    return JSONResponse({"ids": ids}, 201)


@asynccontextmanager
async def _received(page: Page, request: Request, *, clips: int = 0) -> AsyncIterator[Path]:
    """Yield the body as a file; it is removed at the end unless ``Store.keep`` has moved it.

    Args:
        page: State of the page.
        request: Request with the body.
        clips: Number of clips that it adds.

    Raises:
        RefusedError: It is too large, is cut off, or adds too many clips.
        OutputError: The disk refuses, or would be nearly full.
    """
    size = declared_size(request, MOST_BYTES)
    with page.room.reserved(size=size, clips=clips):
        async with page.uploads:
            with page.store.incoming() as path:
                with path.open("wb") as file:
                    async for part in parts(request, size):
                        file.write(part)
                yield path


def _described(page: Page, request: Request) -> tuple[Clip, int]:
    """Return the clip that the query of an upload describes, and the number of its pieces."""
    query = request.query_params
    name = file_name(query.get("name", ""))
    label, pieces = query.get("label"), query.get("pieces", "1")
    checked = None if label is None else page.label(label)
    if not re.fullmatch("[0-9]{1,4}", pieces) or not 1 <= int(pieces) <= MOST_PIECES:
        raise RefusedError(422, "bad_request")
    return Clip(file=None, name=name or "clip", label=checked), int(pieces)


async def _relabel(page: Page, request: Request) -> Response:
    body = await json_body(request, _Relabel)
    label = None if body.label is None else page.label(body.label)
    return await _change_clips(page, body, "label", {"label": label, "binned": False})


async def _remove(page: Page, request: Request) -> Response:
    return await _change_clips(page, await json_body(request, _Clips), "remove", {"binned": True})


async def _restore(page: Page, request: Request) -> Response:
    return await _change_clips(page, await json_body(request, _Clips), "restore", {"binned": False})


async def _change_clips(page: Page, body: _Clips, what: str, values: dict[str, Any]) -> Response:
    def change(document: Document) -> Document:
        clips = {id: document.clip(id).model_copy(update=values) for id in body.ids}
        names = {clip.title for clip in clips.values()}
        return document.changed(what, names.pop() if len(names) == 1 else "", clips=clips)

    return await _done(page, change)


async def _forget(page: Page, request: Request) -> Response:
    body = await json_body(request, _Clips)
    await page.forget(body.ids)
    return JSONResponse({})


async def _add_class(page: Page, request: Request) -> Response:
    name = class_name((await json_body(request, _Name)).name)

    def change(document: Document) -> Document:
        if name in document.classes:
            raise RefusedError(409, "name_taken")
        return document.changed("add_class", name, classes=[*document.classes, name])

    return await _done(page, change)


async def _rename_class(page: Page, request: Request) -> Response:
    body = await json_body(request, _Rename)
    to = class_name(body.to)
    if to == body.name:
        return JSONResponse({})
    return await _done(page, lambda document: document.relabelled("rename", body.name, to))


async def _remove_class(page: Page, request: Request) -> Response:
    body = await json_body(request, _Name)
    return await _done(page, lambda doc: doc.relabelled("remove_class", body.name, None))


async def _export(page: Page, request: Request) -> Response:
    with ExitStack() as opened:
        path = opened.enter_context(page.store.incoming())
        await page.export(path)
        return FileSentOnce(path, f"{page.store.model.name}.safetensors", opened.pop_all())


async def _import(page: Page, request: Request) -> Response:
    async with _received(page, request) as path:
        await page.replace_model(path, file_name(request.query_params.get("name", "")) or "model")
    return JSONResponse({})


async def _undo(page: Page, request: Request) -> Response:
    step = None

    def change(document: Document) -> Document:
        nonlocal step
        step = document.last_step
        return document.undone()

    await page.change(change)
    return JSONResponse({"undone": step_facts(step)})


async def _done(page: Page, change: Callable[[Document], Document]) -> Response:
    await page.change(change)
    return JSONResponse({})


async def _teach(page: Page, request: Request) -> Response:
    labels = {clip.label for clip in page.document.training_clips.values()}
    if len(labels - {BACKGROUND}) < 2:
        raise RefusedError(409, "needs_two")
    return JSONResponse({"job": page.teach(_tab(request)).id}, 202)


async def _predict(page: Page, request: Request) -> Response:
    job = page.predict(request.path_params["id"], _tab(request))
    return JSONResponse({"job": job.id}, 202)


async def _why(page: Page, request: Request) -> Response:
    content = await page.explain(request.path_params["id"])
    return HTMLResponse(content, headers={"content-security-policy": REPORT_POLICY})


async def _report(page: Page, request: Request) -> Response:
    headers = {"content-security-policy": REPORT_POLICY}
    return HTMLResponse(await page.report(), headers=headers)


async def _segment(page: Page, request: Request) -> Response:
    body = await json_body(request, _Segment)
    id, label = new_id(), page.label(body.label)
    with ExitStack() as reserved:

        def change(document: Document) -> Document:
            nonlocal id
            clip = document.segment(request.path_params["id"], body.start, body.end, label)
            if same := document.id_of(clip.key):
                id, number = same, document.clips[same].name_number
                clip = clip.model_copy(update={"name_number": number})
            else:
                reserved.enter_context(page.room.reserved(clips=1))
            return document.changed("add", clip.name, clips={id: clip})

        await page.change(change)
    return JSONResponse({"ids": [id]}, 201)


async def _live(page: Page, request: Request) -> Response:
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


async def _cancel(page: Page, request: Request) -> Response:
    page.queue.cancel(request.path_params["id"])
    return JSONResponse({})


def _tab(request: Request) -> str:
    """Return which tab asks; tabs take turns in the queue."""
    return request.headers.get("x-tab", "")[:32]
