"""Pieces of work in threads that keep to one core each."""

import threading

import pytest
import torch

from fewact import backbones
from fewact.backbones.workers import side_by_side


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
    later: list[int] = []
    other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert later == [threads]


def test_an_error_in_a_piece_is_raised_and_the_next_work_is_done(threads: int) -> None:
    def work(piece: int) -> float:
        return 1 / piece

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0, 2])
    assert side_by_side(work, [1, 2]) == [1.0, 0.5]


def test_features_do_not_depend_on_the_number_of_threads() -> None:
    backbone = backbones.create()
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
