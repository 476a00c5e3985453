"""Threads of one core each for work with tensors."""

import threading
from collections.abc import Iterator

import pytest
import torch

from fewact.core.errors import OptionError
from fewact.lab.workers import torch_threads, torch_workers


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def cores_of_a_new_thread() -> int:
    """Return the number of cores with which a thread begins."""
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    return found[0]


def test_each_thread_uses_one_core_and_others_are_unchanged(threads: int) -> None:
    with torch_workers(None) as pool:
        assert {pool.submit(torch.get_num_threads).result() for _ in range(6)} == {1}
    assert torch.get_num_threads() == threads
    assert cores_of_a_new_thread() == threads


def start_pools() -> None:
    with torch_workers(1):
        torch_threads(2, "test").shutdown()


def test_new_threads_that_start_pools_at_once_change_no_number(threads: int) -> None:
    """Such as those of a server: one may begin while the pool of another one starts."""
    for _ in range(20):
        users = [threading.Thread(target=start_pools) for _ in range(8)]
        for user in users:
            user.start()
        for user in users:
            user.join()
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads


def test_a_number_that_is_set_while_a_pool_works_holds(threads: int) -> None:
    with torch_workers(1):
        torch.set_num_threads(threads + 1)
    assert cores_of_a_new_thread() == torch.get_num_threads() == threads + 1


def test_a_number_of_threads_that_is_not_positive_is_refused() -> None:
    with pytest.raises(OptionError), torch_workers(0):
        pass
