"""What holds under moving cameras: lines through time, windows, and the search for a shift."""

import itertools

import pytest
import torch

from fewact import align, methods
from fewact.backbones import Tap
from fewact.methods.steady import searched, windows, without_line
from tests.methods.made_up import make_card, make_features


@pytest.mark.parametrize("dim", [0, 1, -2])
def test_a_line_is_taken_away_and_all_else_stays(dim: int) -> None:
    values = torch.rand(5, 7, 4, dtype=torch.float64)
    rest = without_line(values, dim)
    time = torch.arange(values.shape[dim], dtype=torch.float64)
    moved, left = (v.movedim(dim, -1) for v in (values, rest))
    for index in itertools.product(*map(range, moved.shape[:-1])):
        columns = torch.stack([time - time.mean(), torch.ones_like(time)], 1)
        slope = torch.linalg.lstsq(columns, moved[index][:, None]).solution[0]
        expected = moved[index] - slope * (time - time.mean())
        torch.testing.assert_close(left[index], expected)


def test_one_frame_has_no_line() -> None:
    values = torch.rand(1, 3)
    assert torch.equal(without_line(values, 0), values)


@pytest.mark.parametrize(("reach", "count", "side"), [(0, 1, 7), (1, 9, 5), (2, 9, 5), (4, 25, 3)])
def test_windows_are_a_cell_apart(reach: int, count: int, side: int) -> None:
    maps = torch.arange(49.0).view(1, 1, 7, 7)
    cut = windows(maps, reach)
    assert cut.shape == (1, count, 1, side, side)
    corners = cut[0, :, 0, 0, 0].view(round(count**0.5), -1)
    assert torch.equal(corners, maps[0, 0, : len(corners), : len(corners)])


def slowly(first: torch.Tensor, second: torch.Tensor, reach: int) -> float:
    """Of two videos (v t d): each relative shift by itself."""
    steps = round(len(first) ** 0.5)
    best, value = -float("inf"), 0.0
    for down, right in itertools.product(range(-reach, reach + 1), repeat=2):
        half = [(abs(r) + 1) // 2 if r >= 0 else -(abs(r) // 2) for r in (down, right)]
        mine = (steps // 2 + half[0]) * steps + steps // 2 + half[1]
        yours = (steps // 2 + half[0] - down) * steps + steps // 2 + half[1] - right
        agreement = (first[mine] * second[yours]).sum().item()
        if agreement > best:
            best = agreement
            cost = 1 - first[mine] @ second[yours].T
            value = align.otam(cost, lam=0.01).value.item() / (2 * len(cost))
    return -value


def videos(count: int, seed: int, steps: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(2, count, steps**2, 6, 5, dtype=torch.float64, generator=generator)
    return torch.nn.functional.normalize(frames, dim=-1)


@pytest.mark.parametrize(("reach", "steps"), [(0, 1), (1, 3), (2, 3), (3, 5)])
def test_searched_against_each_shift_by_itself(reach: int, steps: int) -> None:
    first, second = videos(3, 0, steps), videos(4, 1, steps)
    found = searched(first, second, reach, 0.01)
    for b, q, s in itertools.product(range(2), range(3), range(4)):
        assert found[b, q, s].item() == pytest.approx(slowly(first[b, q], second[b, s], reach))


def test_the_search_is_symmetric() -> None:
    first, second = videos(3, 0), videos(4, 1)
    torch.testing.assert_close(
        searched(first, second, 2, 0.01), searched(second, first, 2, 0.01).mT
    )


def test_gradients_pass_through_the_shift_that_was_chosen() -> None:
    first, second = videos(1, 0)[:1].requires_grad_(), videos(2, 1)[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: searched(x, y, 2, 0.5), (first, second))


@pytest.mark.parametrize("name", ["fusion", "a2m2", "otam", "protonet", "pixels"])
def test_methods_ask_for_steady_frames_where_they_are_told_to(name: str) -> None:
    card = make_card()
    for mode in ("off", "auto", "on"):
        method = methods.create(name, stabilise=mode)
        taps = [tap for tap in method.taps(card) if name != "fusion" or tap.name == "middle"]
        assert {tap.stabilise for tap in taps} == {mode}
        nodes = method.encode(make_features(method, card, 2))
        assert all(value.shape[0] == 2 for value in nodes.values())


def test_a2m2_can_take_the_line_away_too() -> None:
    found = {Tap("middle", 8): torch.rand(2, 8, 6, 4, 4, dtype=torch.float64)}
    slope = torch.rand(2, 1, 6, 4, 4, dtype=torch.float64)
    tilted = {
        tap: maps + slope * torch.linspace(-1, 1, 8)[:, None, None, None]
        for tap, maps in found.items()
    }
    for level in (True, False):
        method = methods.create("a2m2", level=level).double()
        same = torch.allclose(method.encode(found)["nodes"], method.encode(tilted)["nodes"])
        assert same == level
