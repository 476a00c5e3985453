"""Stages that values pass one after the other, each in a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import torch

from fewact.workers import started_threads


class Stages:
    """Passes values through stages, in the order in which they come.

    While one value is in a stage, the next one is in the stage before it, so that all cores are
    busy; the results are those of one thread.

    Args:
        stages: Each takes what the one before it returns.
        threads: Whether each stage runs in a thread of its own; without, ``run`` does all the work.
    """

    def __init__(self, stages: Sequence[Callable[[Any], Any]], *, threads: bool) -> None:
        self._stages = stages
        cores = torch.get_num_threads()
        self._threads = [
            started_threads(1, "fewact-stage", cores=cores) for _ in (stages if threads else ())
        ]

    def run(self, value: Any) -> Future[Any]:
        """Return what the last stage will return for a value, or the error of a stage."""
        if not self._threads:
            for stage in self._stages:
                value = stage(value)
        done: Future[Any] = Future()
        done.set_result(value)
        for stage, thread in zip(self._stages, self._threads, strict=False):
            done = thread.submit(_after, stage, done)
        return done

    def close(self) -> None:
        """End the threads; values that are not through are dropped."""
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)


def _after(stage: Callable[[Any], Any], before: Future[Any]) -> Any:
    return stage(before.result())
