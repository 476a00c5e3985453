"""The queue: whose turn it is, and how jobs end."""

import asyncio
from functools import partial

import pytest

from fewact.core.errors import OptionError, VideoError
from fewact.page.children import ChildError
from fewact.page.jobs import JobQueue, PageJob, Steps


async def noted(done: list[str], name: str, count: int) -> Steps:
    """Note the name at each step."""
    for i in range(count):
        await asyncio.sleep(0)
        done.append(name)
        yield i + 1, count


def test_tabs_take_turns_by_step_and_a_cancelled_job_ends() -> None:
    done: list[str] = []
    steps = partial(noted, done)

    async def go() -> None:
        queue = JobQueue(lambda: None)
        long = queue.add(PageJob("long", "one", steps("a", 20)))
        later = queue.add(PageJob("later", "one", steps("b", 1)))
        short = queue.add(PageJob("short", "two", steps("c", 2)))
        assert queue.add(PageJob("short", "two", steps("c", 2))) is short
        running = asyncio.create_task(queue.run())
        while not short.ended:
            await asyncio.sleep(0)
        assert done[:5] == ["a", "c", "a", "c", "a"]
        queue.cancel(long.id)
        while not later.ended:
            await asyncio.sleep(0)
        assert (long.state, later.state) == ("cancelled", "done")
        assert done.count("a") < 8
        running.cancel()

    asyncio.run(go())


def test_other_jobs_go_between_the_steps_of_a_patient_one() -> None:
    done: list[str] = []
    steps = partial(noted, done)

    async def go() -> None:
        queue = JobQueue(lambda: None)
        jobs = [
            queue.add(PageJob("watch", "one", steps(name, 4), name, patient=True))
            for name in ("a", "b")
        ]
        jobs.append(queue.add(PageJob("watch", "two", steps("c", 4), "c", patient=True)))
        running = asyncio.create_task(queue.run())
        while len(done) < 2:
            await asyncio.sleep(0)
        short = queue.add(PageJob("predict", "one", steps("short", 1)))
        taught = queue.add(PageJob("teach", "two", steps("teach", 3)))
        while not all(job.ended for job in queue.jobs):
            await asyncio.sleep(0)
        begun = min(done.index("short"), done.index("teach"))
        assert begun <= 5
        assert sorted(done[begun : begun + 4]) == ["short", "teach", "teach", "teach"]
        assert [one for one in done if one in ("a", "b")] == ["a"] * 4 + ["b"] * 4
        assert {job.state for job in (*jobs, short, taught)} == {"done"}
        running.cancel()

    asyncio.run(go())


def test_a_job_that_is_not_at_work_is_cancelled_at_once() -> None:
    closed: list[str] = []

    async def go() -> None:
        goes_on = asyncio.Event()

        async def steps(name: str, waits: bool) -> Steps:
            try:
                while True:
                    yield 1, 3
                    await asyncio.sleep(0)
                    if waits:
                        await goes_on.wait()
            finally:
                closed.append(name)

        changes: list[list[str]] = []
        queue = JobQueue(lambda: changes.append([job.state for job in queue.jobs]))
        search = queue.add(PageJob("watch", "one", steps("search", False), patient=True))
        running = asyncio.create_task(queue.run())
        while not search.done:
            await asyncio.sleep(0)
        teach = queue.add(PageJob("teach", "one", steps("teach", True)))
        waiting = queue.add(PageJob("predict", "one", steps("predict", False)))
        await asyncio.sleep(0.01)
        for job in (search, teach, waiting):
            queue.cancel(job.id)
        assert changes[-1] == ["cancelled", "running", "cancelled"]
        goes_on.set()
        while len(closed) < 2:
            await asyncio.sleep(0)
        assert teach.state == "cancelled"
        running.cancel()

    asyncio.run(go())
    assert sorted(closed) == ["search", "teach"]


def test_waiting_jobs_are_limited_while_a_step_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewact.page.jobs.MOST_WAITING", 3)

    async def go() -> None:
        goes_on = asyncio.Event()

        async def steps() -> Steps:
            await goes_on.wait()
            yield 1, 1

        queue = JobQueue(lambda: None)
        jobs = [queue.add(PageJob("predict", "one", steps(), str(i))) for i in range(3)]
        running = asyncio.create_task(queue.run())
        while jobs[0].state != "running":
            await asyncio.sleep(0)
        for tab in ("one", "two"):
            with pytest.raises(OptionError, match="too much work is waiting"):
                queue.add(PageJob("predict", tab, steps(), "more"))
        goes_on.set()
        while not jobs[0].ended:
            await asyncio.sleep(0)
        queue.add(PageJob("predict", "one", steps(), "more"))
        running.cancel()

    asyncio.run(go())


def test_a_job_that_is_cancelled_after_its_last_step_is_done() -> None:
    async def go() -> None:
        saving, saved = asyncio.Event(), asyncio.Event()

        async def steps() -> Steps:
            yield 1, 2
            saving.set()
            await saved.wait()

        queue = JobQueue(lambda: None)
        teach = queue.add(PageJob("teach", "one", steps()))
        running = asyncio.create_task(queue.run())
        await saving.wait()
        queue.cancel(teach.id)
        saved.set()
        while not teach.ended:
            await asyncio.sleep(0)
        assert teach.state == "done"
        running.cancel()

    asyncio.run(go())


def test_a_request_after_a_cancelled_one_is_done() -> None:
    async def once() -> Steps:
        yield 1, 1

    async def go() -> None:
        queue = JobQueue(lambda: None)
        cancelled = queue.add(PageJob("predict", "one", once(), "a"))
        queue.cancel(cancelled.id)
        again = queue.add(PageJob("predict", "one", once(), "a"))
        assert queue.add(PageJob("predict", "one", once(), "a")) is again
        running = asyncio.create_task(queue.run())
        while not (cancelled.ended and again.ended):
            await asyncio.sleep(0)
        assert (cancelled.state, again.state) == ("cancelled", "done")
        running.cancel()

    asyncio.run(go())


def test_a_step_that_fails_ends_its_job_only() -> None:
    async def bad() -> Steps:
        yield 0, 1
        raise VideoError("a.mp4", "is not a video")

    async def lost() -> Steps:
        raise ChildError("died")
        yield

    async def good() -> Steps:
        yield 1, 1

    async def go() -> None:
        queue = JobQueue(lambda: None)
        jobs = [
            queue.add(PageJob(name, "", one))
            for name, one in (("bad", bad()), ("lost", lost()), ("good", good()))
        ]
        running = asyncio.create_task(queue.run())
        while not all(job.ended for job in jobs):
            await asyncio.sleep(0)
        assert [job.state for job in jobs] == ["failed", "failed", "done"]
        assert jobs[0].error is not None
        assert jobs[0].error["what"] == "is not a video"
        assert jobs[1].error == {"key": "worker_died"}
        running.cancel()

    asyncio.run(go())


@pytest.mark.parametrize("fault", [VideoError("a.mp4", "is damaged"), ValueError("a fault")])
def test_a_cancelled_job_whose_end_fails_ends_that_job_only(fault: Exception) -> None:
    async def bad() -> Steps:
        try:
            while True:
                await asyncio.sleep(0)
                yield 1, 2
        finally:
            raise fault

    async def good() -> Steps:
        yield 1, 1

    async def go() -> None:
        queue = JobQueue(lambda: None)
        jobs = [queue.add(PageJob("bad", "", bad()))]
        running = asyncio.create_task(queue.run())
        while not jobs[0].done:
            await asyncio.sleep(0)
        queue.cancel(jobs[0].id)
        jobs.append(queue.add(PageJob("good", "", good())))
        for _ in range(50):
            await asyncio.sleep(0)
        assert [job.state for job in jobs] == ["cancelled", "done"]
        running.cancel()

    asyncio.run(go())


def test_a_job_that_is_cancelled_in_its_last_step_is_done_and_forgotten() -> None:
    async def once() -> Steps:
        yield 1, 1

    async def go() -> None:
        queue = JobQueue(lambda: None)

        async def last() -> Steps:
            queue.cancel(job.id)
            return
            yield

        job = queue.add(PageJob("last", "", last()))
        running = asyncio.create_task(queue.run())
        while not job.ended:
            await asyncio.sleep(0)
        again = queue.add(PageJob("again", "", once(), id=job.id))
        while not again.ended:
            await asyncio.sleep(0)
        assert (job.state, again.state) == ("done", "done")
        running.cancel()

    asyncio.run(go())
