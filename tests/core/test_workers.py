"""Pieces of work in threads that keep to one core each."""

import ctypes
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fewact import networks
from fewact.core.machine import usable_cores
from fewact.core.workers import (
    _openblas,
    on_one_core,
    one_blas_core,
    one_core_threads,
    side_by_side,
    started_threads,
    thread_count,
)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("OMP_NUM_THREADS", str(request.param))
    count: int = request.param
    return count


def blas_threads() -> int:
    """Return the number of threads of a product of matrices."""
    functions = _openblas()
    if functions is None:
        pytest.skip("NumPy brings another BLAS")
    return functions[0]()


def test_the_user_says_how_many_threads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, count in (("3", 3), ("2,4", 2), ("0", usable_cores()), ("many", usable_cores())):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert thread_count() == count
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert thread_count() == usable_cores()


def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    assert side_by_side(lambda piece: piece**2, range(20)) == [n**2 for n in range(20)]


def test_products_use_one_core_while_pieces_are_computed(threads: int) -> None:
    before = blas_threads()
    with one_core_threads(1, "test") as pool:
        assert pool.submit(blas_threads).result() == 1
    assert set(side_by_side(lambda _: blas_threads(), range(6))) == {1}
    assert on_one_core(blas_threads) == 1
    with one_blas_core(), one_blas_core():
        pass
    assert blas_threads() == before


def test_threads_of_several_cores_are_not_limited() -> None:
    before = blas_threads()
    with started_threads(2, "test", cores=4) as pool:
        assert pool.submit(blas_threads).result() == before


def test_a_thread_calls_a_function_first() -> None:
    started: list[str] = []
    with started_threads(
        3, "test", cores=1, start=lambda: started.append(threading.current_thread().name)
    ):
        assert len(set(started)) == 3


def test_where_a_thread_cannot_be_started_the_others_do_not_wait_for_it(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def refuse_the_third(self: threading.Thread) -> None:
        if self.name.startswith("test"):
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with pytest.raises(RuntimeError, match="can't start"):
        started_threads(4, "test", cores=1)
    assert [one.is_alive() for one in started] == [False, False]


def test_an_error_in_a_piece_is_raised_and_the_next_work_is_done(threads: int) -> None:
    def work(piece: int) -> float:
        return 1 / piece

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0, 2])
    assert side_by_side(work, [1, 2]) == [1.0, 0.5]


def test_features_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = networks.create("efficientnet-lite0")
    frames = np.random.default_rng(0).integers(0, 256, (9, 3, 224, 224), np.uint8)
    found = []
    for count in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        found.append(backbone.features(frames, ["vectors", "middle"]))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_a_thread_of_one_core_is_helped_by_others() -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_: int) -> str:
        both.wait()
        return threading.current_thread().name

    with one_core_threads(1, "test", helped_by=1) as pool:
        found = pool.submit(side_by_side, meet, range(2)).result()
    assert len(set(found)) == 2


def test_a_thread_of_one_core_does_all_itself_where_the_others_are_busy() -> None:
    """Threads that wait for each other's pieces would never end."""
    begun, done = threading.Barrier(3, timeout=30), threading.Event()

    def occupy(_: int) -> None:
        begun.wait()
        done.wait(30)

    def names() -> list[str]:
        return side_by_side(lambda _: threading.current_thread().name, range(5))

    with (
        one_core_threads(1, "busy", helped_by=1) as other,
        one_core_threads(1, "test", helped_by=1) as pool,
    ):
        busy = other.submit(side_by_side, occupy, range(2))
        begun.wait()
        found = pool.submit(names).result(timeout=30)
        done.set()
        busy.result()
    assert [name.startswith("test") for name in found] == [True] * 5


def test_a_thread_of_one_core_works_alone_unless_others_may_help() -> None:
    def names() -> set[str]:
        return set(side_by_side(lambda _: threading.current_thread().name, range(20)))

    with one_core_threads(1, "test") as pool:
        assert pool.submit(names).result() == {"test_0"}


def test_work_inside_of_work_ends_and_keeps_its_order() -> None:
    def inner(piece: int) -> list[int]:
        return side_by_side(lambda other: 10 * piece + other, range(4))

    with one_core_threads(1, "test", helped_by=2) as pool:
        found = pool.submit(side_by_side, inner, range(30)).result(timeout=60)
    assert found == [[10 * i + j for j in range(4)] for i in range(30)]


def test_after_an_error_a_helped_thread_begins_no_other_piece() -> None:
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        raise LookupError(piece)

    with one_core_threads(1, "test", helped_by=1) as pool, pytest.raises(LookupError):
        pool.submit(side_by_side, work, range(50)).result()
    assert len(begun) <= 2  # one of each thread


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_fork_waits_for_threads_that_free_their_memory() -> None:
    c_library, key = ctypes.CDLL(None), ctypes.c_uint()
    assert c_library.pthread_key_create(ctypes.byref(key), c_library.usleep) == 0

    def sleep_at_the_end() -> int:
        c_library.pthread_setspecific(key, ctypes.c_void_p(300_000))
        return threading.get_native_id()

    pool = one_core_threads(1, "test")
    task = Path(f"/proc/self/task/{pool.submit(sleep_at_the_end).result()}")
    pool.shutdown()
    assert task.exists()
    child = os.fork()
    if not child:
        os._exit(0)
    ended = not task.exists()
    os.waitpid(child, 0)
    assert ended
