"""Stages of work: while one value is in a stage, the next one is in the stage before it."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from fewact.core.workers import one_core_threads, thread_count


class Stages:
    """Passes values through stages, in the order in which they come.

    Threads keep all cores busy and do not change the results.

    Args:
        stages: Each takes what the one before it returns.
        threads: Whether each stage runs in a thread of its own; without, ``run`` does all the work.
    """

    def __init__(self, stages: Sequence[Callable[[Any], Any]], *, threads: bool) -> None:
        self._stages, self._closed = stages, False
        helpers = thread_count() - 1
        self._threads = [
            one_core_threads(1, "fewact-stage", helped_by=helpers)
            for _ in (stages if threads else ())
        ]

    def run(self, value: Any) -> Future[Any]:
        """Return what the last stage will return for a value, or the error of a stage."""
        if not self._threads:
            for stage in self._stages:
                value = stage(value)
        done: Future[Any] = Future()
        done.set_result(value)
        for stage, thread in zip(self._stages, self._threads, strict=False):
            done = thread.submit(self._after, stage, done)
        return done

    def close(self) -> None:
        """End the threads when the stages that run are done; values that are not through are lost.

        No other stage begins, so that this takes no longer than one stage of one value.
        """
        self._closed = True
        for thread in self._threads:
            thread.shutdown()

    def _after(self, stage: Callable[[Any], Any], before: Future[Any]) -> Any:
        value = before.result()
        if self._closed:
            raise CancelledError
        return stage(value)
