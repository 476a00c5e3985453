"""The queue of the worker: jobs of short steps; tabs take turns by step."""

import asyncio
import secrets
import traceback
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fewact.errors import OptionError, UserError
from fewact.web.children import ChildError

MOST_WAITING: Final = 500
KEPT: Final = 50
"""Number of finished jobs that tabs can still ask about."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Steps = AsyncGenerator[tuple[int, int], None]
"""Steps of a job: each yields the number of finished steps and of all."""


@dataclass
class Job:
    """Work for a tab.

    Args:
        kind: What is done, such as ``teach``.
        tab: Tab that requested it; tabs take turns.
        steps: The work.
        subject: Id of the clip that it is about; empty if it is about the model.
    """

    kind: str
    tab: str
    steps: Steps
    subject: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "waiting"
    done: int = 0
    total: int = 0
    error: dict[str, str] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    def facts(self) -> dict[str, Any]:
        """Return what the page shows."""
        names = ("id", "kind", "subject", "state", "done", "total", "error")
        return {name: getattr(self, name) for name in names}


class Queue:
    """Runs one step of one job at a time.

    Args:
        changed: Called after each change of a job.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._jobs: dict[str, Job] = {}
        self._wake = asyncio.Event()
        self._cancelled: set[str] = set()

    @property
    def jobs(self) -> list[Job]:
        """Jobs that wait, run or ended lately, the oldest first."""
        return list(self._jobs.values())

    def add(self, job: Job) -> Job:
        """Add a job; if the same one waits already, return that one.

        Raises:
            OptionError: Too many jobs wait.
        """
        for other in self._jobs.values():
            same = (other.kind, other.subject) == (job.kind, job.subject)
            if other.state == "waiting" and same and other.done == 0:
                return other
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            raise OptionError("too much work is waiting", expected=f"at most {MOST_WAITING} jobs")
        self._jobs[job.id] = job
        self._waiting.setdefault(job.tab, deque()).append(job)
        ended = [one.id for one in self._jobs.values() if one.ended]
        for id in ended[:-KEPT]:
            del self._jobs[id]
        self._wake.set()
        self._changed()
        return job

    def cancel(self, id: str) -> None:
        """Cancel a job: it ends before its next step."""
        job = self._jobs.get(id)
        if job is not None and not job.ended:
            self._cancelled.add(id)
            self._wake.set()

    async def run(self) -> None:
        """Run jobs until this task is cancelled."""
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            tab, jobs = self._waiting.popitem(last=False)
            job = jobs[0]
            await self._step(job)
            if job.ended:
                jobs.popleft()
            if jobs:
                self._waiting[tab] = self._waiting.pop(tab, deque())
                self._waiting[tab].extendleft(reversed(jobs))
            self._changed()

    async def _step(self, job: Job) -> None:
        cancelled = job.id in self._cancelled
        try:
            if cancelled:
                await job.steps.aclose()
            else:
                job.state = "running"
                self._changed()
                job.done, job.total = await anext(job.steps)
        except StopAsyncIteration:
            job.state = "done"
        except UserError as error:
            names = ("what", "got", "expected", "hint")
            job.error = {"key": "", **{name: getattr(error, name) for name in names}}
            job.state = "failed"
        except ChildError as error:
            job.error = {"key": f"worker_{error.reason}"}
            job.state = "failed"
        except Exception:  # a fault of ours must not stop the queue
            traceback.print_exc()
            job.error = {"key": "worker_died"}
            job.state = "failed"
        finally:
            if cancelled:
                job.state = "cancelled"
            if job.ended:
                self._cancelled.discard(job.id)
