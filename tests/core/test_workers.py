"""Pieces of work in threads that keep to one core each."""

import ctypes
import os
import sys
import threading
from pathlib import Path

import pytest
import torch

from fewact import networks
from fewact.core.workers import one_core_threads, side_by_side, started_threads
from fewact.methods.encode import workers


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    assert side_by_side(lambda piece: piece**2, range(20)) == [n**2 for n in range(20)]


def test_each_thread_uses_one_core_and_others_are_unchanged(threads: int) -> None:
    inside = side_by_side(lambda _: torch.get_num_threads(), range(6))
    assert set(inside) == {1}
    assert torch.get_num_threads() == threads
    assert cores_of_a_new_thread() == threads


def cores_of_a_new_thread() -> int:
    """Return the number of cores with which a thread begins."""
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    return found[0]


def start_pools() -> None:
    with workers(1):
        one_core_threads(2, "test").shutdown()


def test_new_threads_that_start_pools_at_once_change_no_number(threads: int) -> None:
    """Such as those of a server: one may begin while the pool of another one starts."""
    for _ in range(20):
        users = [threading.Thread(target=start_pools) for _ in range(8)]
        for one in users:
            one.start()
        for one in users:
            one.join()
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads


def test_threads_that_use_several_cores_change_no_number(threads: int) -> None:
    with started_threads(2, "test", cores=4) as pool:
        assert pool.submit(torch.get_num_threads).result() == 4
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads


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
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads


def test_a_number_that_is_set_while_a_pool_works_holds(threads: int) -> None:
    with workers(1):
        torch.set_num_threads(threads + 1)
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads + 1


def test_an_error_in_a_piece_is_raised_and_the_next_work_is_done(threads: int) -> None:
    def work(piece: int) -> float:
        return 1 / piece

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0, 2])
    assert side_by_side(work, [1, 2]) == [1.0, 0.5]


def test_features_do_not_depend_on_the_number_of_threads() -> None:
    backbone = networks.create("efficientnet-lite0")
    frames = torch.randint(
        0, 256, (9, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    before = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(backbone.features(frames, ["vectors", "middle"]))
    torch.set_num_threads(before)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_thread_of_one_core_is_helped_by_others() -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_: int) -> tuple[str, int]:
        both.wait()
        return threading.current_thread().name, torch.get_num_threads()

    with one_core_threads(1, "test", helped_by=1) as pool:
        found = pool.submit(side_by_side, meet, range(2)).result()
    assert len({name for name, _ in found}) == 2
    assert [cores for _, cores in found] == [1, 1]


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


@pytest.mark.parametrize("helped_by", [0, 1])
def test_pieces_are_computed_without_gradients_where_the_caller_has_none(helped_by: int) -> None:
    def state(_: int) -> tuple[bool, bool]:
        return torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def within() -> list[list[tuple[bool, bool]]]:
        with torch.inference_mode():
            first = side_by_side(state, range(4))
        with torch.no_grad():
            second = side_by_side(state, range(4))
        return [first, second, side_by_side(state, range(4))]

    with one_core_threads(1, "test", helped_by=helped_by) as pool:
        found = pool.submit(within).result()
    assert [set(one) for one in found] == [{(True, False)}, {(False, False)}, {(False, True)}]


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
