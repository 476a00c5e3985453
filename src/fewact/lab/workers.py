"""Threads that use one core each for work with tensors, see ``fewact.core.workers``."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock

import torch

from fewact.core.workers import pool_of, started_threads

_starting = Lock()


def torch_threads(count: int, name: str, *, helped_by: int = 0) -> ThreadPoolExecutor:
    """Return a pool whose threads use one core each; other threads keep their number of cores.

    A thread begins with the number of cores that any thread set last. So a pool is started in a new
    thread, which restores this number afterwards; one pool starts at a time.
    """

    def start() -> ThreadPoolExecutor:
        before = torch.get_num_threads()
        try:
            return started_threads(
                count, name, cores=1, helped_by=helped_by, start=partial(use_cores, 1)
            )
        finally:
            torch.set_num_threads(before)

    with _starting, ThreadPoolExecutor(1, "fewact-start") as starter:
        return starter.submit(start).result()


def use_cores(count: int) -> None:
    """Let torch use this number of cores in this thread, whatever other threads set."""
    torch.get_num_threads()  # On first use a thread takes the last number set in any thread.
    torch.set_num_threads(count)


def torch_workers(threads: int | None) -> AbstractContextManager[ThreadPoolExecutor]:
    """Return threads that encode and score tensors, as ``fewact.methods.encode.workers`` does.

    Args:
        threads: Number of threads (default: torch's number of threads).

    Raises:
        OptionError: The number is not positive.
    """
    return pool_of(threads, partial(torch_threads, name="fewact-score"), torch.get_num_threads)
