"""The page in this process: results, limits, and what is left of refused requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from starlette.requests import Request

from fewact.core.bounded import GIB
from fewact.core.errors import ModelError, OutputError, VideoError
from fewact.page.children import ChildError
from fewact.page.folder import RESERVED, Journal, PageFolder
from fewact.page.jobs import PageJob
from fewact.page.server import _answering, _export, create_app
from fewact.page.session import PageSession
from fewact.page.state import (
    ClipsAdded,
    ClipsDeleted,
    ClipsMoved,
    PageClip,
    new_id,
)
from tests.page.conftest import EMPTY, Answers, files_of

pytestmark = pytest.mark.anyio
A, B, C, LONG = "a" * 16, "b" * 16, "c" * 16, "d" * 16
FACTS = {"seconds": 2.0, "frames": 8, "aspect": 1.0}
EXAMPLE = {"name": "wave/me.mp4", "label": "wave", "page_file": f"{A}.mp4"}
TAUGHT = {"model": {"id": "1"}, "examples": [EXAMPLE], "faults": [[]]}
TAUGHT_AGAIN = {**TAUGHT, "model": {"id": "2"}}
PREDICTED = {"probabilities": {"wave": 1.0}, "nearest": EXAMPLE}

ANSWER = {**PREDICTED, "nearest": A}
SEARCHED = {"ended": False, "time": 1.0, "events": []}
WORKER = {
    "open": TAUGHT,
    "predict": PREDICTED,
    "encode": None,
    "teach": TAUGHT_AGAIN,
    "watch": SEARCHED,
    "forget": None,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[PageFolder]:
    folder = PageFolder(tmp_path / "model")
    yield folder
    folder.close()


def session(folder: PageFolder) -> Any:
    """Return a page with children that answer at once, and whose queue does not run yet."""
    page: Any = PageSession(folder, {})
    page.worker, page.decoder = Answers(**WORKER), Answers(inspect=FACTS)
    page.advisor = Answers(review=[])
    return page


@pytest.fixture
async def page(folder: PageFolder) -> AsyncIterator[Any]:
    page = session(folder)
    yield page
    await page.stop()


async def ended(page: PageSession, *jobs: PageJob) -> list[str]:
    """Run the queue until it is empty; return the states of jobs."""
    running = asyncio.ensure_future(page.queue.run())
    async with asyncio.timeout(30):
        while not all(job.ended for job in page.queue.jobs):
            await turns(1)
    running.cancel()
    return [job.state for job in jobs]


async def add(page: PageSession, **clips: PageClip) -> None:
    entry = ClipsAdded(id=new_id(), clips=clips)
    await page.record(entry.id, lambda _: entry)


async def remove(page: PageSession, id: str) -> None:
    entry = ClipsMoved(id=new_id(), what="remove", clips=(id,))
    await page.record(entry.id, lambda _: entry)
    await page.forget(new_id(), [id])


def drop(page: PageSession, id: str) -> None:
    """Delete a clip for good, at once."""
    page.folder.append(ClipsMoved(id=new_id(), what="remove", clips=(id,)))
    page.folder.append(ClipsDeleted(id=new_id(), clips=(id,)))


def clip(id: str, label: str | None = "wave", seconds: float = 2.0) -> PageClip:
    return PageClip(file=f"{id}.mp4", name="me.mp4", label=label, seconds=seconds)


async def ask(
    page: PageSession,
    path: str,
    body: bytes = b"",
    *,
    size: int | None = None,
    open: asyncio.Event | None = None,
    json_body: bool = False,
    method: str = "POST",
    id: str = "",
) -> tuple[int, Any]:
    """Send a request.

    Args:
        page: PageSession.
        path: Path and query.
        body: Body.
        size: Size that the request declares (default: that of the body).
        open: Event before which the body does not arrive.
        json_body: Whether the request declares JSON.
        method: Method of the request.
        id: Id by which the server knows the request when it arrives again.
    """
    sent: list[Any] = []
    type = "application/json" if json_body else "application/octet-stream"
    declared = len(body) if size is None else size
    headers = {
        "host": "page",
        "cookie": "fewact-80=secret",
        "origin": "http://page",
        "content-length": str(declared),
        "content-type": type,
        "x-request": id,
    }

    async def receive() -> Any:
        if open is not None:
            await open.wait()
        if size is not None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await create_app(page, token="secret", hosts=["page"])(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(content)


async def post(page: PageSession, path: str, **body: Any) -> tuple[int, Any]:
    """Send a POST request with a JSON body."""
    return await ask(page, path, json.dumps(body).encode(), json_body=True)


async def turns(count: int = 50) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_a_clip_that_is_removed_for_good_has_no_result_and_teaching_ends(
    page: Any,
) -> None:
    await add(page, **{A: clip(A), B: clip(B, None)})
    assert await ended(page, page.predict(A, ""), page.predict(B, "")) == ["done", "done"]
    assert set(page.results) == {A, B}
    await remove(page, B)
    assert set(page.results) == {A}
    assert await ended(page, page.teach("")) == ["done"]
    assert page.facts()["results"].keys() == {A}


async def test_teaching_ends_though_no_clip_can_be_predicted_again(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(page, **{A: clip(A)})
    await ended(page, page.predict(A, ""))
    job = page.teach("")
    monkeypatch.setattr("fewact.page.jobs.MOST_WAITING", 0)
    assert await ended(page, job) == ["done"]


async def test_jobs_of_a_clip_that_is_removed_for_good_end(page: Any) -> None:
    await add(page, **{A: clip(A), B: clip(B, None, 20.0)})
    jobs = [page.predict(A, "one"), page.predict(B, "two")]
    assert [job.kind for job in jobs] == ["predict", "watch"]
    await remove(page, A)
    states = asyncio.ensure_future(ended(page, *jobs))
    while B not in page.results and not states.done():
        await asyncio.sleep(0)
    await remove(page, B)
    assert await states == ["done", "done"]
    assert "predict" not in page.worker.called
    assert "forget" in page.worker.called  # the search
    assert page.results == {}


async def test_a_result_that_comes_after_its_clip_is_removed_for_good_is_dropped(
    page: Any,
) -> None:
    await add(page, **{A: clip(A)})

    def late(facts: Any, *_: Any) -> Any:
        drop(page, A)
        return PREDICTED

    page.worker.answers["predict"] = late
    assert await ended(page, page.predict(A, "")) == ["done"]
    assert page.results == {}


async def test_an_upload_that_is_not_listed_yet_is_not_recovered(
    page: Any, folder: PageFolder
) -> None:
    """What a former server left is recovered; files that come while a model is opened are not."""
    (folder.path / f"{A}.mp4").write_bytes(b"")

    def uploaded() -> Any:
        (folder.path / f"{B}.mp4").write_bytes(b"")
        return EMPTY

    page.worker.answers = {"open": uploaded}
    await page.start()
    while not all(job.ended for job in page.queue.jobs):
        await turns(1)
    assert set(page.state.clips) == {A}


async def test_a_stop_does_not_start_a_worker_to_end_a_search(page: Any) -> None:
    await add(page, **{A: clip(A, None, 20.0)})
    page.predict(A, "")
    await page.start()
    while A not in page.results:
        await turns(1)
    await page.stop()
    assert page.worker.called[-1] == "watch"


@pytest.mark.parametrize(
    "facts",
    [
        {**FACTS, "seconds": float("nan")},
        {**FACTS, "frames": "x"},
        {"file": "../a"},
        {"more": 1},
        7,
    ],
)
async def test_facts_of_a_decoder_that_lies_are_not_written(
    page: Any, folder: PageFolder, facts: Any
) -> None:
    page.decoder.answers["inspect"] = facts
    with pytest.raises(ChildError):
        await page.inspect(folder.path / "a.mp4")


async def test_clips_are_limited_for_uploads_parts_and_segments(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.folder.MOST_CLIPS", 4)

    async def segment(page: PageSession, start: float) -> int:
        path = f"/api/clips/{A}/segment"
        return (await post(page, path, start=start, end=2.0, label="wave"))[0]

    await add(page, **{A: clip(A)})
    assert await ask(page, "/api/clips?pieces=4", b"x") == (409, {"error": {"key": "too_many"}})
    assert files_of(folder.model) == set()
    late = asyncio.Event()
    waiting = asyncio.ensure_future(ask(page, "/api/clips?pieces=2", b"x", open=late))
    await turns()
    assert (await ask(page, "/api/clips?pieces=2", b"x"))[0] == 409  # two are reserved
    assert await segment(page, 1.0) == 201
    assert await segment(page, 1.5) == 409
    assert await segment(page, 1.0) == 201  # the same one
    late.set()
    assert (await waiting)[0] == 201
    assert len(page.state.clips) == 4


async def test_a_box_beside_the_picture_is_refused(page: Any) -> None:
    await add(page, **{A: clip(A).model_copy(update={"height": 48, "aspect": 4 / 3}), B: clip(B)})
    segment = {"start": 0.5, "end": 1.0, "label": "wave"}
    for box, status in [([64, 0, 9, 9], 422), ([0, -9, 9, 9], 422), ([60, 40, 9, 9], 200)]:
        moved = await post(page, "/api/clips/box", ids=[B, A], box=box)
        cut = await post(page, f"/api/clips/{A}/segment", **segment, box=box)
        assert (moved[0], cut[0]) == (status, 201 if status == 200 else status)
    assert {one.box for one in page.state.clips.values()} == {(60, 40, 9, 9)}


async def test_an_answer_for_each_subject_has_no_nearest_clip(page: Any) -> None:
    await add(page, **{A: clip(A), B: clip(B, None)})
    each = {"movers": 2, "subjects": []}
    page.worker.answers["predict"] = lambda _, apart: each if apart else PREDICTED
    assert await ended(page, page.predict(B, "", apart=True)) == ["done"]
    assert page.results[B] == {**each, "model": "1"}


async def test_equal_segments_that_are_added_at_once_are_one_clip(page: Any) -> None:
    await add(page, **{A: clip(A)})
    path, body = f"/api/clips/{A}/segment", {"start": 0.5, "end": 1.0, "label": "wave"}
    answers = await asyncio.gather(*(post(page, path, **body) for _ in range(3)))
    assert [status for status, _ in answers] == [201] * 3
    (id,) = {id for _, answer in answers for id in answer["ids"]}
    assert set(page.state.clips) == {A, id}


async def test_equal_names_that_are_uploaded_at_once_become_distinct(
    page: Any, folder: PageFolder
) -> None:
    path = "/api/clips?name=me.mp4&label=wave"
    answers = await asyncio.gather(*(ask(page, path, b"x") for _ in range(3)))
    assert [status for status, _ in answers] == [201] * 3
    names = {one["name"] for one in page.facts()["clips"].values()}
    assert names == {"me.mp4", "me (2).mp4", "me (3).mp4"}
    again = Journal(folder.path / "journal.jsonl").state
    assert {one.title for one in again.clips.values()} == names


async def test_files_that_are_added_together_are_undone_together(page: Any) -> None:
    async def upload(page: PageSession, name: str, batch: str) -> None:
        path = f"/api/clips?name={name}.mp4&label=wave&batch={batch}"
        assert (await ask(page, path, b"x"))[0] == 201

    def shown(page: PageSession) -> list[str]:
        return sorted(one.name for one in page.state.clips.values() if not one.binned)

    assert (await post(page, "/api/classes", name="wave"))[0] == 200
    await upload(page, "1", "one")
    assert page.facts()["undo"] == {"what": "add", "subject": "1.mp4"}
    await upload(page, "2", "one")
    await upload(page, "3", "one")
    assert page.facts()["undo"] == {"what": "add", "subject": ""}
    await upload(page, "4", "two")
    await upload(page, "5", "")
    await upload(page, "6", "")
    for left in (["1", "2", "3", "4", "5"], ["1", "2", "3", "4"], ["1", "2", "3"], []):
        assert (await post(page, "/api/undo"))[0] == 200
        assert shown(page) == [f"{name}.mp4" for name in left]
    assert page.state.classes == ("wave",)

    # A change that comes between stays a step of its own.
    await upload(page, "7", "three")
    assert (await post(page, "/api/classes", name="throw"))[0] == 200
    await upload(page, "8", "three")
    assert [step.what for step in page.state.steps[-3:]] == ["add", "add_class", "add"]


async def test_an_upload_follows_the_action_that_is_renamed_meanwhile(
    page: Any, folder: PageFolder
) -> None:
    async def changed(what: str, **body: str) -> None:
        assert (await post(page, f"/api/{what}", **body))[0] == 200

    async def upload(label: str, *changes: tuple[str, dict[str, str]]) -> tuple[int, Any]:
        late = asyncio.Event()
        sent = asyncio.ensure_future(ask(page, f"/api/clips?label={label}", b"x", open=late))
        await turns()
        for what, body in changes:
            await changed(what, **body)
        late.set()
        return await sent

    await changed("classes", name="wave")
    await changed("classes", name="throw")
    rename = ("classes/rename", {"name": "wave", "to": "hello"})
    assert (await upload("wave", rename))[0] == 201
    assert (await upload("wave"))[0] == 201  # sent by a tab that does not know yet
    (id, _) = page.state.clips
    for path, body in (("label", {"ids": [id]}), (f"{id}/segment", {"start": 0.5, "end": 1.0})):
        assert (await post(page, f"/api/clips/{path}", label="wave", **body))[0] < 300
    assert {one.label for one in page.state.clips.values()} == {"hello"}
    again = ("classes/rename", {"name": "hello", "to": "greet"})
    assert (await upload("hello", again, ("undo", {})))[0] == 201
    assert page.state.classes == ("hello", "throw")
    assert [one.label for one in page.state.clips.values()] == ["hello"] * 4

    before = files_of(folder.model)
    removed = (409, {"error": {"key": "action_removed"}})
    assert await upload("throw", ("classes/remove", {"name": "throw"})) == removed
    assert await upload("throw") == removed
    assert (page.state.classes, files_of(folder.model)) == (("hello",), before)
    await changed("undo")
    assert (await upload("throw"))[0] == 201


async def test_an_upload_does_not_go_to_the_action_of_a_model_file_that_is_opened_meanwhile(
    page: Any,
) -> None:
    example = {"name": "jump/1.mp4", "label": "jump"}
    other = {"model": {"id": "2"}, "examples": [example], "faults": [[]]}
    page.worker.answers = {**WORKER, "unpack": other}
    await add(page, **{A: clip(A)})
    await page._reopen()
    late = asyncio.Event()
    sent = asyncio.ensure_future(ask(page, "/api/clips?label=wave", b"x", open=late))
    await turns()
    assert (await ask(page, "/api/import?name=a.zip", b"x"))[0] == 200
    assert page.state.classes == ("jump",)
    late.set()
    assert await sent == (409, {"error": {"key": "action_removed"}})
    assert (await post(page, "/api/undo"))[0] == 200
    assert (await ask(page, "/api/clips?label=wave", b"x"))[0] == 201


async def test_undo_says_what_it_undid(page: Any) -> None:
    for name in ("wave", "throw"):
        assert (await post(page, "/api/classes", name=name))[0] == 200
    answers = await asyncio.gather(*(post(page, "/api/undo") for _ in range(2)))
    assert [answer["undone"]["subject"] for _, answer in answers] == ["throw", "wave"]


async def test_what_a_killed_server_was_deleting_for_good_is_deleted_at_the_next_start(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        """The end of a server that is killed at this moment."""

    def kill(*_: Any) -> None:
        raise KilledError

    names = {f"{id}.{suffix}" for id in (A, B, C) for suffix in ("mp4", "strip")}
    for name in names:
        (folder.path / name).write_bytes(b"")

    async def before(page: PageSession) -> None:
        part = clip(B).model_copy(update={"start": 0.5, "end": 1.0})
        await add(page, **{A: clip(A), B: clip(B), LONG: part})
        with monkeypatch.context() as patch:
            patch.setattr(PageFolder, "forget", kill)
            with pytest.raises(KilledError):
                await remove(page, A)
        await remove(page, LONG)

    async def after(page: Any) -> None:
        page.worker.answers["open"] = EMPTY
        await page.start()
        while not all(job.ended for job in page.queue.jobs):
            await turns(1)
        assert set(page.state.clips) == {B, C}  # C is an upload that was not listed yet

    await before(page)
    await page.stop()
    again = session(folder)
    await after(again)
    await again.stop()
    left = {name for name in names if not name.startswith(A)}
    assert {path.name for path in folder.path.iterdir() if path.is_file()} == {
        *left,
        "journal.jsonl",
    }


async def test_a_file_that_is_being_deleted_is_deleted_before_the_next_change(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal says what is being deleted only until the model is opened again."""
    forget, order = folder.forget, []

    def slowly(file: str) -> None:
        time.sleep(0.05)
        forget(file)
        order.append("removed")

    page.worker.answers = {**WORKER, "open": {**EMPTY, "model": {"id": "1"}}}
    await add(page, **{A: clip(A)})
    monkeypatch.setattr(folder, "forget", slowly)
    removal = asyncio.ensure_future(remove(page, A))
    while A in page.state.clips:
        await turns(1)
    await page._reopen()
    order.append("opened")
    await removal
    assert (order, page.state.deleted) == (["removed", "opened"], {})


async def test_of_two_actions_that_get_one_name_at_once_one_is_refused(page: Any) -> None:
    await add(page, **{A: clip(A), B: clip(B, "throw")})
    path = "/api/classes/rename"
    answers = await asyncio.gather(
        *(post(page, path, name=name, to="hello") for name in ("wave", "throw"))
    )
    refused = (409, {"error": {"key": "name_taken"}})
    assert sorted(answers, key=lambda answer: answer[0]) == [(200, {}), refused]
    assert await post(page, path, name="throw", to="hello") == refused
    assert await post(page, path, name="hello", to="hello") == (200, {})
    assert page.state.classes == ("hello", "throw")


async def test_what_does_not_exist_is_gone(page: Any) -> None:
    gone = (404, {"error": {"key": "gone"}})
    await add(page, **{A: clip(A).model_copy(update={"binned": True})})
    for path in ("/static/page.html", f"/media/{A}", f"/strip/{A}", f"/media/{B}", f"/why/{B}"):
        assert await ask(page, path, method="GET") == gone, path
    assert await ask(page, f"/api/clips/{B}/predict") == gone
    body = {"start": 0.5, "end": 1.0, "label": "wave"}
    assert await post(page, f"/api/clips/{B}/segment", **body) == gone
    assert await post(page, "/api/clips/remove", ids=[B]) == gone
    twice = (post(page, "/api/clips/forget", ids=[A]) for _ in range(2))
    assert await asyncio.gather(*twice) == [(200, {}), gone]


async def test_a_full_disk_ends_the_connection_and_a_fault_of_a_handler_is_no_answer(
    page: Any,
) -> None:
    errors: list[Exception] = [OutputError("the disk is full"), KeyError("a fault of ours")]

    async def fails(page: Any, request: Any) -> Any:
        raise errors.pop(0)

    request = Request({"type": "http", "path": "/api/state", "headers": []})
    answer = await _answering(page, fails)(request)
    # The rest of a large upload is not read.
    assert (answer.status_code, answer.headers["connection"]) == (507, "close")
    with pytest.raises(KeyError):
        await _answering(page, fails)(request)


async def test_a_request_that_the_browser_sends_again_changes_nothing_again(page: Any) -> None:
    wave = b'{"name": "wave"}'
    for _ in range(2):
        assert await ask(page, "/api/classes", wave, json_body=True, id="1") == (200, {})
    first = await ask(page, "/api/clips?label=wave", b"x", id="2")
    assert first == await ask(page, "/api/clips?label=wave", b"x", id="2")
    assert list(page.state.clips) == first[1]["ids"]
    assert (await ask(page, "/api/clips?label=wave", b"x"))[0] == 201
    undone = await ask(page, "/api/undo", b"{}", json_body=True, id="3")
    assert undone == await ask(page, "/api/undo", b"{}", json_body=True, id="3")
    assert [one.binned for one in page.state.clips.values()] == [False, True]


async def test_of_two_requests_with_one_id_at_once_one_is_made(
    page: Any, folder: PageFolder
) -> None:
    for is_cut in (False, True):
        late = asyncio.Event()
        size = 2 if is_cut else None
        path, id = "/api/clips?label=wave", str(is_cut).lower()
        first = asyncio.ensure_future(ask(page, path, b"x", open=late, id=id, size=size))
        await turns()
        again = await ask(page, path, b"x", id=id)
        late.set()
        cut_off = (400, {"error": {"key": "cut_off"}})
        assert (again[0], await first) == (201, cut_off if is_cut else again)
        assert len(page.state.clips) == 1 + is_cut
        assert len(files_of(folder.model)) == 2 * len(page.state.clips)


async def test_a_request_that_arrives_after_a_kill_changes_nothing_again(
    page: Any, folder: PageFolder
) -> None:
    async def answers(page: Any) -> list[Any]:
        upload = await ask(page, "/api/clips?label=wave", b"x", id="1")
        undo = await ask(page, "/api/undo", b"{}", json_body=True, id="2")
        assert [one.binned for one in page.state.clips.values()] == [True]
        return [upload, undo]

    first = await answers(page)
    folder.close()
    again = PageFolder(folder.model)
    assert await answers(session(again)) == first
    again.close()


async def test_uploads_and_model_files_share_the_disk(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=RESERVED + GIB + GIB // 2)
    monkeypatch.setattr("fewact.page.folder.shutil.disk_usage", lambda path: free)
    late = asyncio.Event()
    first = asyncio.ensure_future(ask(page, "/api/clips", size=GIB, open=late))
    await turns()
    for path in ("/api/clips", "/api/import"):
        assert (await ask(page, path, size=GIB))[0] == 507
    late.set()
    assert (await first)[0] == 400  # cut off
    assert (await ask(page, "/api/import", size=GIB))[0] == 400


async def test_model_files_wait_for_their_turn_with_uploads(page: Any) -> None:
    late = asyncio.Event()
    first = [asyncio.ensure_future(ask(page, "/api/clips", size=1, open=late)) for _ in range(4)]
    await turns()
    second = asyncio.ensure_future(ask(page, "/api/import", size=1))
    await turns()
    assert not second.done()
    late.set()
    assert [status for status, _ in await asyncio.gather(*first, second)] == [400] * 5


async def test_an_upload_that_is_refused_leaves_no_file(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.state.MOST_CLASSES", 1)
    assert (await ask(page, "/api/clips?label=wave", b"x"))[0] == 201
    before = files_of(folder.model)
    status, answer = await ask(page, "/api/clips?label=throw", b"x")
    assert (status, answer["error"]["what"]) == (422, "too many actions")
    assert files_of(folder.model) == before
    assert folder.unlisted(page.state) == []


async def test_an_export_is_removed_though_the_client_has_left(
    page: Any, folder: PageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave(*_: Any) -> Any:
        raise OSError("the client has left")

    async def left() -> Any:
        return {"type": "http.disconnect"}

    async def export(file: Path) -> None:
        file.write_bytes(b"zip")

    monkeypatch.setattr(page, "export", export)
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}
    for version in ("2.3", "2.4"):
        response = await _export(page, Request(scope))
        assert list(folder.path.glob(".*.new"))
        with suppress(OSError, ExceptionGroup):
            await response({**scope, "asgi": {"spec_version": version}}, left, leave)
        assert not list(folder.path.glob(".*.new"))
        assert response.headers["content-length"] == "3"
        assert 'filename="model.safetensors"' in response.headers["content-disposition"]


async def test_a_clip_that_is_tried_before_anything_is_taught_waits(page: Any) -> None:
    page.worker.answers = {**WORKER, "open": EMPTY, "watch": {**SEARCHED, "ended": True}}
    await add(page, **{A: clip(A), B: clip(B, None), LONG: clip(LONG, None, 20.0)})
    jobs = [page.predict(B, ""), page.predict(LONG, "")]
    assert await ended(page, *jobs) == ["done", "done"]
    assert page.results == {}
    assert await ended(page, page.teach("")) == ["done"]
    assert page.results[B] == {**ANSWER, "model": "2"}
    assert page.results[LONG]["ended"]


async def test_a_model_that_is_opened_has_advice_and_answers_the_newest_first(page: Any) -> None:
    ids = [f"{i:016x}" for i in range(20)]
    asked: list[str] = []
    page.advisor.answers["review"] = [f"Add wave/{A}.mp4 again."]
    others = {A: clip(A), B: clip(B, None).model_copy(update={"binned": True})}
    await add(page, **{id: clip(id, None) for id in ids}, **others)
    page.worker.answers["predict"] = lambda facts, *_: asked.append(facts["file"]) or PREDICTED
    page.open()
    await ended(page)
    assert asked == [f"{id}.mp4" for id in reversed(ids)]
    assert page.results == {id: {**ANSWER, "model": "1"} for id in ids}
    await page._advising
    assert page.advice == ["Add me.mp4 again."]


async def test_no_job_waits_for_advice_and_its_failure_is_logged(
    page: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 200 clips advice takes a minute; that of an earlier model is not computed again."""
    begun: list[str] = []

    async def endless(*_: Any, **__: Any) -> Any:
        begun.append(page.model["id"])
        await asyncio.Event().wait()

    monkeypatch.setattr(page.advisor, "call", endless)
    await add(page, **{A: clip(A), B: clip(B, None), C: clip(C)})
    assert await ended(page, page.predict(B, "")) == ["done"]
    assert page.results[B] == {**ANSWER, "model": "1"}
    assert await ended(page, page.teach("")) == ["done"]
    await asyncio.sleep(0)
    assert (page.advice, begun) == ([], ["1", "2"])
    for failure in (ChildError("slow"), ModelError("damaged")):
        monkeypatch.setattr(page.advisor, "call", AsyncMock(side_effect=failure))
        await page._advise("2")
        assert f"Warning: no advice on the model: {failure}" in capsys.readouterr().err
    monkeypatch.setattr(page.advisor, "call", AsyncMock(return_value=(["More."], b"")))
    await page._advise("2")
    monkeypatch.undo()
    page.advisor.answers.clear()
    await page._advise("2")
    assert page.advice == ["More."]


async def test_all_answers_are_those_of_the_new_model_after_teaching(page: Any) -> None:
    ids = [f"{i:016x}" for i in range(20)]
    await add(page, **{id: clip(id, None) for id in ids}, **{B: clip(B)})
    page.open()
    await ended(page)
    assert {one["model"] for one in page.results.values()} == {"1"}
    assert await ended(page, page.teach("")) == ["done"]
    assert {one["model"] for one in page.results.values()} == {"2"}


async def test_an_error_of_a_clip_is_its_result_until_it_is_tried_again(page: Any) -> None:
    await add(page, **{A: clip(A), B: clip(B, None), C: clip(C, None)})

    def fails(facts: Any, *_: Any) -> Any:
        if facts["file"] == f"{C}.mp4":
            raise VideoError("a.mp4", "is damaged")
        return PREDICTED

    page.worker.answers["predict"] = fails
    page.open()
    await ended(page)
    assert page.results[B] == {**ANSWER, "model": "1"}
    assert page.results[C]["error"]["what"] == "is damaged"
    assert await ended(page, page.predict(C, "")) == ["failed"]
    page.worker.answers["predict"] = PREDICTED
    assert await ended(page, page.predict(C, "")) == ["done"]
    assert page.results[C] == {**ANSWER, "model": "1"}


async def test_answers_are_not_looked_for_without_end_in_a_damaged_model(page: Any) -> None:
    await add(page, **{B: clip(B, None), C: clip(C, None)})

    def damaged() -> Any:
        raise ModelError("damaged")

    page.worker.answers["predict"] = lambda *_: page.worker.answers.update(open=damaged)
    page.open()
    await ended(page)
    assert [(job.kind, job.state) for job in page.queue.jobs] == [
        ("open", "done"),
        ("refresh", "failed"),
    ]


async def test_a_search_is_of_the_model_with_which_it_began(page: Any) -> None:
    await add(page, **{B: clip(B), LONG: clip(LONG, None, 20.0)})
    job = page.predict(LONG, "one")
    states = asyncio.ensure_future(ended(page, job))
    while LONG not in page.results:
        await asyncio.sleep(0)
    page.teach("two")
    while page.model["id"] == "1":
        await asyncio.sleep(0)
    assert not states.done()
    page.worker.answers["watch"] = {**SEARCHED, "ended": True}
    assert await states == ["done"]
    assert page.results[LONG] == {**SEARCHED, "ended": True, "model": "1"}


async def test_the_search_of_a_removed_recording_stops(page: Any) -> None:
    await add(page, **{LONG: clip(LONG, None, 20.0)})
    states = asyncio.ensure_future(ended(page, page.predict(LONG, "")))
    while LONG not in page.results:
        await asyncio.sleep(0)
    assert (await post(page, "/api/clips/remove", ids=[LONG]))[0] == 200
    assert await states == ["done"]
    assert "forget" in page.worker.called
    assert not page.results[LONG]["ended"]


async def test_a_clip_that_is_removed_for_good_while_it_is_taught_is_left_out(page: Any) -> None:
    taught: list[Any] = []
    await add(page, **{A: clip(A), B: clip(B), LONG: clip(LONG)})

    def encode(facts: Any) -> None:
        drop(page, LONG)

    page.worker.answers["encode"] = encode
    page.worker.answers["teach"] = lambda clips, *_: taught.extend(clips) or TAUGHT_AGAIN
    assert await ended(page, page.teach("")) == ["done"]
    assert page.worker.called.count("encode") == 1
    assert [one["file"] for one in taught] == [f"{A}.mp4", f"{B}.mp4"]
