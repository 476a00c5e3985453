"""Parallel work on a CPU's cores, in threads that use one core each.

A network of sixty small layers that is split over threads layer by layer waits for all threads
after each layer. With another program on the same cores the wait costs more than the work
(measured: ten times as long on two busy cores). Here each thread computes a complete piece, never
waits for another thread, and the result does not depend on the number of threads.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from threading import Barrier, BrokenBarrierError, Lock
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_starting = Lock()


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Run ``work`` on every piece, in as many threads as torch uses; results keep their order."""
    count = torch.get_num_threads()
    if count == 1:
        return [work(piece) for piece in pieces]
    return list(_workers(count).map(work, pieces))


def on_one_core(work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, which runs in a thread that uses one core.

    It is for many small steps, such as those of reading weights, which would each wait for all
    threads.
    """
    return side_by_side(lambda run: run(), [work])[0]


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return one_core_threads(count, "fewact-backbone")


def one_core_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool whose threads are started and use one core each.

    Args:
        count: Number of threads.
        name: Prefix of the threads' names.
    """
    return started_threads(count, name, cores=1)


def started_threads(count: int, name: str, *, cores: int) -> ThreadPoolExecutor:
    """Return a pool whose threads are started; other threads keep their number of cores.

    A thread begins with the last number of cores that any thread has set. So a new thread reads
    this number and sets it again when the pool has started; one pool starts at a time.

    Args:
        count: Number of threads.
        name: Prefix of the threads' names.
        cores: Number of cores that each thread uses.

    Raises:
        RuntimeError: The system starts no more threads.
    """
    all_there = Barrier(count + 1)

    def start() -> None:
        use_cores(cores)
        with suppress(BrokenBarrierError):
            all_there.wait()

    pool = ThreadPoolExecutor(count, name, initializer=start)

    def start_all() -> None:
        before = torch.get_num_threads()
        try:
            for _ in range(count):
                pool.submit(int)
            all_there.wait()
        except RuntimeError:  # A thread cannot be started; the others must not wait for it.
            all_there.abort()
            pool.shutdown()
            raise
        finally:
            torch.set_num_threads(before)

    with _starting, ThreadPoolExecutor(1, "fewact-start") as starter:
        starter.submit(start_all).result()
    return pool


def use_cores(count: int) -> None:
    """Let torch use so many cores in this thread, whatever other threads set."""
    torch.get_num_threads()  # On first use a thread takes the last number set in any thread.
    torch.set_num_threads(count)


def _forget_threads() -> None:
    """A forked child does not have its parent's threads, and would wait for them."""
    _starting.release()
    _workers.cache_clear()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_starting.acquire,
        after_in_parent=_starting.release,
        after_in_child=_forget_threads,
    )
