"""The queue: whose turn it is, and how jobs end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fewact.core.errors import OptionError, VideoError
from fewact.page.children import ChildError
from fewact.page.jobs import JobQueue, PageJob, Steps


async def steps(count: int = 1, done: list[str] | None = None, name: str = "") -> Steps:
    """Take some steps, and note the name at each."""
    for i in range(count):
        await asyncio.sleep(0)
        if done is not None:
            done.append(name)
        yield i + 1, count


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until something is so."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


def run(work: Callable[[JobQueue], Awaitable[None]]) -> None:
    """Do something with a queue that runs."""

    async def go() -> None:
        queue = JobQueue(lambda: None)
        running = asyncio.create_task(queue.run())
        await work(queue)
        running.cancel()

    asyncio.run(go())


def test_tabs_take_turns_by_step_and_a_cancelled_job_ends() -> None:
    done: list[str] = []

    async def work(queue: JobQueue) -> None:
        long = queue.add(PageJob("long", "one", steps(20, done, "a")))
        later = queue.add(PageJob("later", "one", steps(1, done, "b")))
        short = queue.add(PageJob("short", "two", steps(2, done, "c")))
        assert queue.add(PageJob("short", "two", steps(2, done, "c"))) is short
        await until(lambda: short.ended)
        assert done[:5] == ["a", "c", "a", "c", "a"]
        queue.cancel(long.id)
        await until(lambda: later.ended)
        assert (long.state, later.state) == ("cancelled", "done")
        assert done.count("a") < 8

    run(work)


def test_other_jobs_go_between_the_steps_of_a_patient_one() -> None:
    done: list[str] = []

    async def work(queue: JobQueue) -> None:
        jobs = [
            queue.add(PageJob("watch", tab, steps(4, done, name), name, patient=True))
            for name, tab in (("a", "one"), ("b", "one"), ("c", "two"))
        ]
        await until(lambda: len(done) >= 2)
        jobs.append(queue.add(PageJob("predict", "one", steps(1, done, "short"))))
        jobs.append(queue.add(PageJob("teach", "two", steps(3, done, "teach"))))
        await until(lambda: all(job.ended for job in queue.jobs))
        begun = min(done.index("short"), done.index("teach"))
        assert begun <= 5
        assert sorted(done[begun : begun + 4]) == ["short", "teach", "teach", "teach"]
        assert [name for name in done if name in ("a", "b")] == ["a"] * 4 + ["b"] * 4
        assert {job.state for job in jobs} == {"done"}

    run(work)


def test_a_job_that_is_not_at_work_is_cancelled_at_once() -> None:
    closed: list[str] = []

    async def work(queue: JobQueue) -> None:
        goes_on = asyncio.Event()

        async def endless(name: str, waits: bool) -> Steps:
            try:
                while True:
                    yield 1, 3
                    await asyncio.sleep(0)
                    if waits:
                        await goes_on.wait()
            finally:
                closed.append(name)

        search = queue.add(PageJob("watch", "one", endless("search", False), patient=True))
        await until(lambda: search.done)
        teach = queue.add(PageJob("teach", "one", endless("teach", True)))
        waiting = queue.add(PageJob("predict", "one", endless("predict", False)))
        await asyncio.sleep(0.01)
        for job in (search, teach, waiting):
            queue.cancel(job.id)
        assert [job.state for job in queue.jobs] == ["cancelled", "running", "cancelled"]
        goes_on.set()
        await until(lambda: len(closed) == 2)
        assert teach.state == "cancelled"

    run(work)
    assert sorted(closed) == ["search", "teach"]


def test_waiting_jobs_are_limited_while_a_step_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewact.page.jobs.MOST_WAITING", 3)

    async def work(queue: JobQueue) -> None:
        goes_on = asyncio.Event()

        async def waiting() -> Steps:
            await goes_on.wait()
            yield 1, 1

        jobs = [queue.add(PageJob("predict", "one", waiting(), str(i))) for i in range(3)]
        await until(lambda: jobs[0].state == "running")
        for tab in ("one", "two"):
            with pytest.raises(OptionError):
                queue.add(PageJob("predict", tab, steps(), "more"))
        goes_on.set()
        await until(lambda: jobs[0].ended)
        queue.add(PageJob("predict", "one", steps(), "more"))

    run(work)


def test_a_job_that_is_cancelled_after_or_in_its_last_step_is_done_and_forgotten() -> None:
    async def work(queue: JobQueue) -> None:
        async def last() -> Steps:
            yield 1, 2
            queue.cancel(job.id)

        job = queue.add(PageJob("teach", "one", last()))
        await until(lambda: job.ended)
        again = queue.add(PageJob("again", "", steps(), id=job.id))
        await until(lambda: again.ended)
        assert (job.state, again.state) == ("done", "done")

    run(work)


def test_a_request_after_a_cancelled_one_is_done() -> None:
    async def work(queue: JobQueue) -> None:
        cancelled = queue.add(PageJob("predict", "one", steps(), "a"))
        queue.cancel(cancelled.id)
        again = queue.add(PageJob("predict", "one", steps(), "a"))
        assert queue.add(PageJob("predict", "one", steps(), "a")) is again
        await until(lambda: cancelled.ended and again.ended)
        assert (cancelled.state, again.state) == ("cancelled", "done")

    run(work)


def test_a_step_that_fails_ends_its_job_only() -> None:
    async def fails(error: Exception) -> Steps:
        yield 0, 1
        raise error

    async def work(queue: JobQueue) -> None:
        bad = queue.add(PageJob("bad", "", fails(VideoError("a.mp4", "is not a video"))))
        lost = queue.add(PageJob("lost", "", fails(ChildError("died"))))
        good = queue.add(PageJob("good", "", steps()))
        await until(lambda: all(job.ended for job in queue.jobs))
        assert [job.state for job in queue.jobs] == ["failed", "failed", "done"]
        assert (bad.error or {})["what"] == "is not a video"
        assert (lost.error, good.error) == ({"key": "worker_died"}, None)

    run(work)


@pytest.mark.parametrize("fault", [VideoError("a.mp4", "is damaged"), ValueError("a fault")])
def test_a_cancelled_job_whose_end_fails_ends_that_job_only(fault: Exception) -> None:
    async def bad() -> Steps:
        try:
            while True:
                await asyncio.sleep(0)
                yield 1, 2
        finally:
            raise fault

    async def work(queue: JobQueue) -> None:
        cancelled = queue.add(PageJob("bad", "", bad()))
        await until(lambda: cancelled.done)
        queue.cancel(cancelled.id)
        good = queue.add(PageJob("good", "", steps()))
        await until(lambda: good.ended)
        assert (cancelled.state, good.state) == ("cancelled", "done")

    run(work)
