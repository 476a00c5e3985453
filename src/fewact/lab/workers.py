"""Threads that use one core each for work with tensors, see ``fewact.core.workers``."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock

import torch

from fewact.core.errors import OptionError
from fewact.core.workers import started_threads

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


@contextmanager
def torch_workers(threads: int | None, *, helped_by: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Return threads that encode and score tensors, as ``fewact.methods.encode.workers`` does.

    Args:
        threads: Number of threads (default: torch's number of threads).
        helped_by: Number of other cores that help them.

    Raises:
        OptionError: The number is not positive.
    """
    if threads is not None and threads < 1:
        raise OptionError(
            "the number is not positive", where="threads", got=str(threads), expected="at least 1"
        )
    pool = torch_threads(threads or torch.get_num_threads(), "fewact-score", helped_by=helped_by)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
