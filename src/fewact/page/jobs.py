"""The queue of the worker: jobs of short steps; tabs take turns by step, patient jobs go last."""

import asyncio
import secrets
import traceback
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from fewact.core.errors import OptionError, UserError
from fewact.page.children import ChildError
from fewact.page.facts import ErrorFacts, JobFacts

MOST_WAITING: Final = 500
"""Number of jobs that wait or run."""

MOST_ENDED: Final = 50
"""Number of finished jobs that tabs can still ask about."""

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
Steps = AsyncGenerator[tuple[int, int], None]
"""Steps of a job: each yields the number of finished steps and of all."""


@dataclass
class PageJob:
    """Work for a tab.

    Args:
        kind: What is done, such as ``teach``.
        tab: Tab that requested it; tabs take turns.
        steps: The work.
        subject: Id of the clip that it is about; empty if it is about the model.
        patient: Whether the jobs that are not patient go first, before each of its steps.
    """

    kind: str
    tab: str
    steps: Steps
    subject: str = ""
    patient: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: JobState = "waiting"
    done: int = 0
    total: int = 0
    cancelled: bool = False
    error: ErrorFacts | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    def facts(self) -> JobFacts:
        """Return what the page shows."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "error": self.error,
        }


class JobQueue:
    """Runs one step of one job at a time, and calls ``changed`` after each change of a job."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._waiting: OrderedDict[str, deque[PageJob]] = OrderedDict()
        self._jobs: dict[str, PageJob] = {}
        self._running: PageJob | None = None
        self._wake = asyncio.Event()

    @property
    def jobs(self) -> list[PageJob]:
        """Jobs that wait, run or ended lately, the oldest first."""
        return list(self._jobs.values())

    def add(self, job: PageJob) -> PageJob:
        """Add a job; if the same one waits already, return that one.

        Raises:
            OptionError: Too many jobs wait.
        """
        for listed in self._jobs.values():
            same = (listed.kind, listed.subject) == (job.kind, job.subject)
            if listed.state == "waiting" and same:
                return listed
        if sum(not listed.ended for listed in self._jobs.values()) >= MOST_WAITING:
            raise OptionError("too much work is waiting", expected=f"at most {MOST_WAITING} jobs")
        self._jobs[job.id] = job
        self._waiting.setdefault(job.tab, deque()).append(job)
        ended = [listed.id for listed in self._jobs.values() if listed.ended]
        for id in ended[:-MOST_ENDED]:
            del self._jobs[id]
        self._wake.set()
        self._changed()
        return job

    def cancel(self, id: str) -> None:
        """Cancel a job: it ends at once, or after the step that runs now."""
        job = self._jobs.get(id)
        if job is None or job.ended:
            return
        job.cancelled = True
        if job is not self._running:
            job.state = "cancelled"
            self._changed()

    async def run(self) -> None:
        """Run jobs until this task is cancelled."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            tab, job = self._next()
            self._running = job
            await self._step(job)
            self._running = None
            if job.ended:
                self._waiting[tab].remove(job)
            self._waiting.move_to_end(tab)
            if not self._waiting[tab]:
                del self._waiting[tab]
            self._changed()

    def _next(self) -> tuple[str, PageJob]:
        """Return the job whose turn it is, and its tab; a cancelled one has only to be closed."""
        jobs = [(tab, job) for tab, waiting in self._waiting.items() for job in waiting]
        return min(jobs, key=lambda pair: (not pair[1].cancelled, pair[1].patient))

    async def _step(self, job: PageJob) -> None:
        try:
            if not job.cancelled:
                job.state = "running"
                self._changed()
                job.done, job.total = await anext(job.steps)
            if job.cancelled:
                job.state = "cancelled"
                await job.steps.aclose()
        except StopAsyncIteration:
            job.state = "done"
        except (UserError, ChildError) as error:
            self._fail(job, facts_of(error))
        except Exception:  # a fault of ours must not stop the queue
            traceback.print_exc()
            self._fail(job, {"key": "worker_died"})

    @staticmethod
    def _fail(job: PageJob, error: ErrorFacts) -> None:
        if job.state != "cancelled":
            job.state, job.error = "failed", error


def facts_of(error: UserError | ChildError) -> ErrorFacts:
    """Return what the page shows of an error of a job."""
    if isinstance(error, ChildError):
        return {"key": f"worker_{error.reason}"}
    return {
        "key": "",
        "what": error.parts["what"],
        "got": error.parts["got"],
        "expected": error.parts["expected"],
        "hint": error.parts["hint"],
    }
