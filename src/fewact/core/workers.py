"""Parallel work on a CPU's cores, in threads that use one core each.

A network of sixty small layers that is split over threads layer by layer waits for all threads
after each layer. With another program on the same cores the wait costs more than the work
(measured: ten times as long on two busy cores). Here each thread computes a complete piece, never
waits for another thread, and the result does not depend on the number of threads.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

ENDING_SECONDS = 10.0
"""Longest time for which a fork waits for threads that end."""

_starting = Lock()
_this = threading.local()
_started: dict[int, threading.Thread] = {}
"""Threads of all pools, by the system's number."""


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Run ``work`` on every piece, in as many threads as torch uses; results keep their order.

    A thread of ``one_core_threads`` that may use other cores works on the pieces itself, and the
    threads of those cores help where they have nothing else to do: it never waits for them to
    begin. Inference mode and gradients are on in all threads if they are in this one.
    """
    cores = getattr(_this, "cores", 1)
    count = max(cores, torch.get_num_threads())
    if count == 1:
        return [work(piece) for piece in pieces]
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(piece: Piece) -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(piece)

    if cores == 1:
        return list(_workers(count).map(run, pieces))
    return _helped(run, list(pieces), _workers(count), count - 1)


def _helped(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    pool: ThreadPoolExecutor,
    helpers_limit: int,
) -> list[Result]:
    """Run ``work`` on every piece in this thread, and in at most so many of the pool."""
    queue = deque(enumerate(pieces))
    results: dict[int, Result] = {}

    def run() -> None:
        while queue:
            try:
                i, piece = queue.popleft()
            except IndexError:  # another thread took the last one
                return
            results[i] = work(piece)

    helpers = [pool.submit(run) for _ in range(min(helpers_limit, len(pieces) - 1))]
    try:
        run()
    finally:
        queue.clear()  # after an error nothing else is begun
        begun = [helper for helper in helpers if not helper.cancel()]
    for helper in begun:
        helper.result()
    return [results[i] for i in range(len(pieces))]


def on_one_core(work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, which runs in a thread that uses one core.

    It is for many small steps, such as those of reading weights, which would each wait for all
    threads.
    """
    return side_by_side(lambda run: run(), [work])[0]


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return one_core_threads(count, "fewact-worker", helped_by=count - 1)


def one_core_threads(count: int, name: str, *, helped_by: int = 0) -> ThreadPoolExecutor:
    """Return a pool whose threads are started and use one core each, see ``started_threads``."""
    return started_threads(count, name, cores=1, helped_by=helped_by)


def started_threads(count: int, name: str, *, cores: int, helped_by: int = 0) -> ThreadPoolExecutor:
    """Return a pool whose threads are started; other threads keep their number of cores.

    A thread begins with the last number of cores that any thread has set. So a new thread reads
    this number and sets it again when the pool has started; one pool starts at a time.

    Args:
        count: Number of threads.
        name: Prefix of the threads' names.
        cores: Number of cores that each thread uses.
        helped_by: Number of other cores that help a thread of one core, see ``side_by_side``.
    """
    all_there = Barrier(count + 1)

    def start() -> None:
        _started[threading.get_native_id()] = threading.current_thread()
        use_cores(cores)
        _this.cores = 1 + helped_by
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
        _forget_ended()
        starter.submit(start_all).result()
    return pool


def use_cores(count: int) -> None:
    """Let torch use so many cores in this thread, whatever other threads set."""
    torch.get_num_threads()  # On first use a thread takes the last number set in any thread.
    torch.set_num_threads(count)


def _await_ending_threads() -> None:
    """Wait until threads of pools that are shut down have ended for the system too.

    Python calls a thread ended before its libraries have freed the thread's memory. MKL does so
    under a lock that spins; a child forked meanwhile would wait for it for ever.
    """
    _starting.acquire()
    end = time.monotonic() + ENDING_SECONDS
    while _forget_ended() and time.monotonic() < end:
        time.sleep(0.001)


def _forget_ended() -> bool:
    """Forget threads that the system has ended; return whether others are about to end."""
    for number, thread in list(_started.items()):
        if not (thread.is_alive() or Path(f"/proc/self/task/{number}").exists()):
            del _started[number]
    return not all(thread.is_alive() for thread in _started.values())


def _forget_threads() -> None:
    """A forked child does not have its parent's threads, and would wait for them."""
    _starting.release()
    _started.clear()
    _workers.cache_clear()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_await_ending_threads,
        after_in_parent=_starting.release,
        after_in_child=_forget_threads,
    )
