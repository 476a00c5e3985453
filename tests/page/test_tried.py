"""Clips to try: their answers follow the model, and searches let other work go first."""

import asyncio
from typing import Any

from fewact.core.errors import ModelError, VideoError
from fewact.page.folder import PageFolder
from tests.page.test_session import (
    ANSWER,
    EMPTY,
    LONG,
    PREDICTED,
    SEARCHED,
    TAUGHT_AGAIN,
    WORKER,
    A,
    B,
    C,
    add,
    clip,
    drop,
    ended,
    folder,
    post,
    run,
)

__all__ = ["folder"]


def test_a_clip_that_is_tried_before_anything_is_taught_waits(folder: PageFolder) -> None:
    async def work(page: Any) -> None:
        await add(page, **{A: clip(A), B: clip(B, None), LONG: clip(LONG, None, 20.0)})
        jobs = [page.predict(B, ""), page.predict(LONG, "")]
        assert await ended(page, *jobs) == ["done", "done"]
        assert page.results == {}
        assert await ended(page, page.teach("")) == ["done"]
        assert page.results[B] == {**ANSWER, "model": "2"}
        assert page.results[LONG]["ended"]

    run(folder, work, worker={**WORKER, "open": EMPTY, "watch": {**SEARCHED, "ended": True}})


def test_a_model_that_is_opened_has_advice_and_answers_the_newest_first(folder: PageFolder) -> None:
    ids = [f"{i:016x}" for i in range(20)]
    asked: list[str] = []

    async def work(page: Any) -> None:
        others = {A: clip(A), B: clip(B, None).model_copy(update={"binned": True})}
        await add(page, **{id: clip(id, None) for id in ids}, **others)
        page.worker.answers["predict"] = lambda facts: asked.append(facts["file"]) or PREDICTED
        page.open()
        await ended(page)
        assert asked == [f"{id}.mp4" for id in reversed(ids)]
        assert page.results == {id: {**ANSWER, "model": "1"} for id in ids}
        assert page.advice == ["Add me.mp4 again."]

    run(folder, work, worker={**WORKER, "review": [f"Add wave/{A}.mp4 again."]})


def test_all_answers_are_those_of_the_new_model_after_teaching(folder: PageFolder) -> None:
    ids = [f"{i:016x}" for i in range(20)]

    async def work(page: Any) -> None:
        await add(page, **{id: clip(id, None) for id in ids}, **{B: clip(B)})
        page.open()
        await ended(page)
        assert {one["model"] for one in page.results.values()} == {"1"}
        assert await ended(page, page.teach("")) == ["done"]
        assert {one["model"] for one in page.results.values()} == {"2"}

    run(folder, work, worker=WORKER)


def test_an_error_of_a_clip_is_its_result_until_it_is_tried_again(folder: PageFolder) -> None:
    async def work(page: Any) -> None:
        await add(page, **{A: clip(A), B: clip(B, None), C: clip(C, None)})

        def fails(facts: Any) -> Any:
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

    run(folder, work, worker=WORKER)


def test_answers_are_not_looked_for_without_end_in_a_damaged_model(folder: PageFolder) -> None:
    async def work(page: Any) -> None:
        await add(page, **{B: clip(B, None), C: clip(C, None)})

        def damaged() -> Any:
            raise ModelError("damaged")

        page.worker.answers["predict"] = lambda facts: page.worker.answers.update(open=damaged)
        page.open()
        await ended(page)
        assert [(job.kind, job.state) for job in page.queue.jobs] == [
            ("open", "done"),
            ("refresh", "failed"),
        ]

    run(folder, work, worker=WORKER)


def test_a_search_is_of_the_model_with_which_it_began(folder: PageFolder) -> None:
    async def work(page: Any) -> None:
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

    run(folder, work, worker=WORKER)


def test_the_search_of_a_removed_recording_stops(folder: PageFolder) -> None:
    async def work(page: Any) -> None:
        await add(page, **{LONG: clip(LONG, None, 20.0)})
        states = asyncio.ensure_future(ended(page, page.predict(LONG, "")))
        while LONG not in page.results:
            await asyncio.sleep(0)
        assert (await post(page, "/api/clips/remove", ids=[LONG]))[0] == 200
        assert await states == ["done"]
        assert "forget" in page.worker.called
        assert not page.results[LONG]["ended"]

    run(folder, work, worker=WORKER)


def test_a_clip_that_is_removed_for_good_while_it_is_taught_is_left_out(folder: PageFolder) -> None:
    taught: list[Any] = []

    async def work(page: Any) -> None:
        await add(page, **{A: clip(A), B: clip(B), LONG: clip(LONG)})

        def encode(facts: Any) -> None:
            drop(page, LONG)

        page.worker.answers["encode"] = encode
        page.worker.answers["teach"] = lambda clips, *_: taught.extend(clips) or TAUGHT_AGAIN
        assert await ended(page, page.teach("")) == ["done"]
        assert page.worker.called.count("encode") == 1
        assert [one["file"] for one in taught] == [f"{A}.mp4", f"{B}.mp4"]

    run(folder, work, worker=WORKER)
