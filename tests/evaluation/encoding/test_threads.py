"""Threads that compute alone."""

import threading

import pytest
import torch

from fewact.core.errors import OptionError
from fewact.evaluation.encoding.threads import workers


def test_each_thread_uses_one_core_and_the_setting_is_restored() -> None:
    before = torch.get_num_threads()
    meet = threading.Barrier(3, timeout=30)

    def work(_: int) -> tuple[str, int]:
        meet.wait()  # all three threads are there at once
        return threading.current_thread().name, torch.get_num_threads()

    with workers(3) as pool:
        found = list(pool.map(work, range(3)))
    assert len({name for name, _ in found}) == 3
    assert {number for _, number in found} == {1}
    assert torch.get_num_threads() == before


def test_an_error_restores_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), workers(2) as pool:
        pool.submit(lambda: 1 / 0).result()
    assert torch.get_num_threads() == before
    with pytest.raises(OptionError, match="threads"), workers(0):
        pass
