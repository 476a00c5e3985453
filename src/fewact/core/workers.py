"""Parallel work on a CPU's cores, in threads that use one core each.

A network of sixty small layers that is split over threads layer by layer waits for all threads
after each layer. With another program on the same cores the wait costs more than the work
(measured: ten times as long on two busy cores). Here each thread computes a complete piece, never
waits for another thread, and the result does not depend on the number of threads.

NumPy's operations use one core but for products of matrices, which BLAS splits over threads. While
such a thread works, BLAS uses one core too: products of the size that fewact needs are faster so.
"""

import ctypes
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock
from typing import ParamSpec, TypeVar

from fewact.core.errors import OptionError
from fewact.core.machine import usable_cores

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

ENDING_SECONDS = 10.0
"""Longest time for which a fork waits for threads that end."""

_starting = Lock()
_this = threading.local()
_started: dict[int, threading.Thread] = {}
"""Threads of all pools, by the system's number."""


def thread_count() -> int:
    """Return the number of threads of a parallel work.

    It is OMP_NUM_THREADS where the user sets it, as for other numeric programs; by default the
    number of cores that this process may use.
    """
    number = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(number) if number.isdecimal() and int(number) else usable_cores()


def side_by_side(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Run ``work`` on every piece, in ``thread_count`` threads; results keep their order.

    A thread of ``one_core_threads`` works on the pieces itself. If it may use other cores, the
    threads of those help where they have nothing else to do: it never waits for them to begin.
    """
    return in_threads(work, pieces, _workers, thread_count())


def in_threads(
    work: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    workers: Callable[[int], ThreadPoolExecutor],
    threads: int,
) -> list[Result]:
    """Run ``work`` as ``side_by_side`` does, in other threads.

    Args:
        work: Work on a piece.
        pieces: The pieces.
        workers: Function from a number of threads to the threads.
        threads: Number of threads.
    """
    cores: int = getattr(_this, "cores", 0)
    if (cores or threads) == 1:
        with one_blas_core():
            return [work(piece) for piece in pieces]
    if cores == 0:
        return list(workers(threads).map(work, pieces))
    return _helped(work, list(pieces), workers(cores), cores - 1)


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


def in_pool() -> bool:
    """Return whether this is a thread of a pool that uses one core."""
    return hasattr(_this, "cores")


def on_one_core(work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, which uses one core.

    It is for many small steps, such as those of scoring a clip, which would each wait for threads.
    """
    with one_blas_core():
        return work()


class _Blas:
    """The OpenBLAS that NumPy brings, limited to one core while anybody needs that.

    Another BLAS keeps its threads: results stay the same, but for rounding.
    """

    def __init__(self) -> None:
        self._lock, self._users, self._before = Lock(), 0, 0

    def limit(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and (openblas := _openblas()):
                read, write = openblas
                self._before = read()
                write(1)

    def release(self) -> None:
        with self._lock:
            self._users = max(0, self._users - 1)
            if self._users == 0 and (openblas := _openblas()):
                openblas[1](self._before)

    def forget(self) -> None:
        """Forget all users and the lock: in a forked child, no thread may be left to release it."""
        self._lock, self._users = Lock(), 0


_blas = _Blas()

OPENBLAS = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")
"""Names of the functions of OpenBLAS in builds of NumPy."""


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return what reads and what sets the number of threads, if NumPy brings OpenBLAS."""
    compiled = import_module("numpy._core._multiarray_umath").__file__
    with suppress(OSError):
        library = ctypes.CDLL(compiled)  # with the libraries that it needs
        for name in OPENBLAS:
            if hasattr(library, name.format("set_num_threads")):
                read, write = (
                    library[name.format(f"{verb}_num_threads")] for verb in ("get", "set")
                )
                return read, write
    return None


@contextmanager
def one_blas_core() -> Iterator[None]:
    """Let BLAS use one core inside of ``with``, in all threads."""
    _blas.limit()
    try:
        yield
    finally:
        _blas.release()


class _OneCoreThreads(ThreadPoolExecutor):
    """Threads that use one core each, in products of matrices too."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        def work() -> Result:
            with one_blas_core():
                return fn(*args, **kwargs)

        return super().submit(work)


@contextmanager
def pool_of(
    threads: int | None, start: Callable[[int], ThreadPoolExecutor], default: Callable[[], int]
) -> Iterator[ThreadPoolExecutor]:
    """Return a pool inside of ``with``; at its end, waiting work is not begun.

    Args:
        threads: Number of threads.
        start: Function that starts a pool of this many threads.
        default: Function that returns the number of threads where it is None.

    Raises:
        OptionError: The number is not positive.
    """
    if threads is not None and threads < 1:
        raise OptionError(
            "the number is not positive", where="threads", got=str(threads), expected="at least 1"
        )
    pool = start(threads or default())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return one_core_threads(count, "fewact-worker", helped_by=count - 1)


def one_core_threads(count: int, name: str, *, helped_by: int = 0) -> ThreadPoolExecutor:
    """Return a pool whose threads are started and use one core each, see ``started_threads``."""
    return started_threads(count, name, cores=1, helped_by=helped_by)


def started_threads(
    count: int,
    name: str,
    *,
    cores: int,
    helped_by: int = 0,
    start: Callable[[], object] | None = None,
) -> ThreadPoolExecutor:
    """Return a pool whose threads are started.

    Args:
        count: Number of threads.
        name: Prefix of the threads' names.
        cores: Number of cores that each thread uses.
        helped_by: Number of other cores that help a thread of one core, see ``side_by_side``.
        start: Function that each thread calls first.
    """
    all_there = Barrier(count + 1)

    def initialise() -> None:
        _started[threading.get_native_id()] = threading.current_thread()
        if cores == 1:
            _this.cores = 1 + helped_by
        if start is not None:
            start()
        with suppress(BrokenBarrierError):
            all_there.wait()

    threads = _OneCoreThreads if cores == 1 else ThreadPoolExecutor
    pool = threads(count, name, initializer=initialise)
    with _starting:
        _forget_ended()
        try:
            for _ in range(count):
                pool.submit(int)
            all_there.wait()
        except RuntimeError:  # A thread cannot be started; the others must not wait for it.
            all_there.abort()
            pool.shutdown()
            raise
    return pool


def _await_ending_threads() -> None:
    """Wait until threads of pools that are shut down have ended for the system too.

    Python calls a thread ended before its libraries have freed the thread's memory. MKL, which
    PyTorch may bring, does so under a lock that spins; a child forked meanwhile would wait for it
    for ever.
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
    _blas.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_await_ending_threads,
        after_in_parent=_starting.release,
        after_in_child=_forget_threads,
    )
