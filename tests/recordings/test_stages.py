"""Stages: values pass them in order, at the same time, and none after the end."""

import threading
import time
from concurrent.futures import CancelledError

import pytest

from fewact.recordings.stages import Stages


@pytest.mark.parametrize("threads", [False, True])
def test_values_pass_all_stages_in_order(threads: bool) -> None:
    seen: list[tuple[str, int]] = []

    def stage(name: str, add: int, value: int) -> int:
        seen.append((name, value))
        return value + add

    stages = Stages([lambda v: stage("a", 10, v), lambda v: stage("b", 100, v)], threads=threads)
    found = [stages.run(value) for value in range(20)]
    assert [one.result() for one in found] == [value + 110 for value in range(20)]
    for name, add in (("a", 0), ("b", 10)):
        assert [v for n, v in seen if n == name] == [value + add for value in range(20)]
    stages.close()


def test_stages_work_at_the_same_time() -> None:
    first_again, second = threading.Event(), threading.Event()

    def begin(value: int) -> int:
        if value:
            first_again.set()
        return value

    def end(value: int) -> int:
        if not value:
            second.set()
            assert first_again.wait(30)  # The next value is in the first stage meanwhile.
        return value

    stages = Stages([begin, end], threads=True)
    found = [stages.run(0), stages.run(1)]
    assert [one.result(60) for one in found] == [0, 1]
    assert second.is_set()
    stages.close()


@pytest.mark.parametrize("threads", [False, True])
def test_an_error_reaches_the_caller(threads: bool) -> None:
    def fails(value: int) -> int:
        raise ZeroDivisionError(value)

    stages = Stages([fails, str], threads=threads)
    with pytest.raises(ZeroDivisionError):
        stages.run(1).result()
    stages.close()


def test_nothing_runs_after_the_end() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def first(value: int) -> int:
        begun.set()
        assert go_on.wait(30)
        done.append(f"first {value}")
        return value

    def second(value: int) -> int:
        done.append(f"second {value}")
        return value

    stages = Stages([first, second], threads=True)
    found = [stages.run(0), stages.run(1)]
    assert begun.wait(30)
    closing = threading.Thread(target=stages.close)
    closing.start()
    while not stages._closed:
        time.sleep(0.001)
    go_on.set()
    closing.join()
    assert done == ["first 0"]
    for one in found:
        with pytest.raises(CancelledError):
            one.result(0)
