import threading
import time

import pytest

from fewact.core.errors import OptionError
from fewact.features.extract import Timing
from tests.refused import refused


@pytest.fixture
def clock(monkeypatch):
    """Each reading of the clock is a second after the one before it in the same thread."""
    now = threading.local()

    def tick():
        now.seconds = getattr(now, "seconds", 0) + 1
        return float(now.seconds)

    monkeypatch.setattr(time, "perf_counter", tick)


def test_seconds_add_up_by_stage_even_of_one_that_raises(clock):
    timing = Timing()
    for _ in range(2):
        with timing.stage("decode"):
            pass
    with timing.stage("alignment"), timing.stage("moments"):
        pass
    with pytest.raises(KeyError), timing.stage("backbone"):
        raise KeyError
    expected = {"decode": 2, "stabilise": 0, "backbone": 1, "moments": 1, "alignment": 3}
    assert timing.seconds == expected
    timing.seconds["decode"] = 9.0  # of a copy
    assert timing.seconds == expected
    with timing.stage("pose"):
        pass
    assert timing.seconds == {**expected, "pose": 1}


def test_threads_lose_no_second(clock):
    timing = Timing()

    def work():
        for _ in range(2000):
            with timing.stage("decode"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert timing.seconds["decode"] == 16000


def test_an_unknown_stage_is_refused():
    with (
        refused(OptionError, got="encode"),
        Timing().stage("encode"),
    ):
        pass
