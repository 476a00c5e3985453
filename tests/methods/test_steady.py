"""What holds under moving cameras: lines through time, windows around what moves, and a search."""

import itertools
import math

import pytest
import torch

from fewact import align, methods
from fewact.features.request import FeatureRequest, View
from fewact.methods.steady import centred, searched, seen_through, windows
from tests.methods.made_up import make_card, make_features


def test_maps_are_seen_through_their_own_maps_and_filled_with_those_that_show_a_place() -> None:
    maps = torch.rand(2, 4, 3, 6, 6, dtype=torch.float64)
    looked = torch.eye(2, 3, dtype=torch.float64).repeat(2, 4, 1, 1)
    looked[0, 1, :, 2] = torch.tensor([2 / 6, -4 / 6])  # a place to the right, and two above
    looked[1, 2] = torch.tensor([[0, 1, 0], [-1, 0, 0.0]])  # a quarter of a turn
    seen = seen_through(maps, looked)
    still = torch.tensor([0, 2, 3])
    assert torch.equal(seen[0, still], maps[0, still])
    torch.testing.assert_close(seen[0, 1, :, 2:, :5], maps[0, 1, :, :4, 1:])
    mean = maps[0, still].mean(0)
    torch.testing.assert_close(seen[0, 1, :, :2], mean[:, :2])
    torch.testing.assert_close(seen[0, 1, ..., 5], mean[..., 5])
    torch.testing.assert_close(seen[1, 2], maps[1, 2].rot90(-1, (1, 2)))


def test_between_places_maps_are_seen_by_a_cubic_of_four() -> None:
    def weight(away: float, sharp: float = -0.75) -> float:
        d = abs(away)
        if d <= 1:
            return (sharp + 2) * d**3 - (sharp + 3) * d**2 + 1
        return sharp * (d**3 - 5 * d**2 + 8 * d - 4)

    maps = torch.rand(2, 3, 5, 14, dtype=torch.float64)
    looked = torch.eye(2, 3, dtype=torch.float64).repeat(2, 1, 1)
    looked[1, 0, 2] = 0.3 * 2 / 14  # three tenths of a place to the right
    expected = sum(weight(k - 0.3) * maps[1, ..., 1 + k : 12 + k] for k in (-1, 0, 1, 2))
    torch.testing.assert_close(seen_through(maps, looked)[1, ..., 1:12], expected)


def test_maps_that_nothing_moves_are_the_same() -> None:
    maps = torch.rand(4, 3, 5, 6)
    assert seen_through(maps, torch.eye(2, 3).expand(4, 2, 3)) is maps
    nowhere = torch.eye(2, 3).repeat(4, 1, 1)
    nowhere[..., 2] = 5
    assert torch.equal(seen_through(maps, nowhere), torch.zeros(4, 3, 5, 6))


@pytest.mark.parametrize("at", [(0, 0), (2, 5), (8, 3)])
@pytest.mark.parametrize("wide", [1, 4, 8])
def test_the_window_is_around_what_changes_and_as_wide(at: tuple[int, int], wide: int) -> None:
    rows = torch.arange(16, dtype=torch.float64) - 7.5
    maps = torch.stack(torch.meshgrid(rows, rows, indexing="ij"))  # each place says where it is
    changes = torch.zeros(3, 2, 16, 16, dtype=torch.float64)
    down, right = (slice(first, first + wide) for first in at)
    changes[..., down, right] = torch.tensor([1.0, -2.0, 1.0])[:, None, None, None]
    seen = centred(maps.expand(3, 2, 16, 16), changes, 9)
    side = min(max(4 * math.sqrt((wide**2 - 1) / 12), 8), 16)
    steps = ((torch.arange(9, dtype=torch.float64) + 0.5) / 9 - 0.5) * side
    for axis, first in enumerate(at):
        line = (steps + rows[first] + (wide - 1) / 2).clamp(-7.5, 7.5)
        expected = line[:, None] if axis == 0 else line
        torch.testing.assert_close(seen[:, axis], expected.expand(3, 9, 9))


def test_each_video_has_its_own_window_whatever_stands_beside_it() -> None:
    maps = torch.rand(2, 3, 4, 5, 7, 9, dtype=torch.float64)
    changes = maps - maps.mean(-4, keepdim=True)
    together = centred(maps, changes, 6)
    assert together.shape == (2, 3, 4, 5, 6, 6)
    for i, j in itertools.product(range(2), range(3)):
        torch.testing.assert_close(together[i, j], centred(maps[i, j], changes[i, j], 6))


def test_a_window_moves_with_what_it_looks_at() -> None:
    maps = torch.zeros(4, 3, 14, 14, dtype=torch.float64)
    maps[..., 4:9, 5:9] = torch.rand(4, 3, 5, 4, dtype=torch.float64)
    moved = maps.roll((2, -1), (-2, -1))
    here, there = (centred(m, m - m.mean(0), 12) for m in (maps, moved))
    torch.testing.assert_close(here, there)


def test_maps_that_never_change_are_seen_from_their_middle() -> None:
    maps = torch.rand(1, 2, 8, 8).expand(3, 2, 8, 8)
    assert torch.equal(centred(maps, torch.zeros_like(maps), 4), maps[..., 2:6, 2:6])


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
            value = align.otam(cost, smoothing=0.01).value.item() / (2 * len(cost))
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


@pytest.mark.slow
def test_gradients_pass_through_the_shift_that_was_chosen() -> None:
    first, second = videos(1, 0)[:1].requires_grad_(), videos(2, 1)[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: searched(x, y, 2, 0.5), (first, second))


@pytest.mark.parametrize("name", ["fusion", "a2m2", "otam", "protonet", "pixels"])
def test_methods_ask_for_steady_frames_where_they_are_told_to(name: str) -> None:
    card = make_card()
    for mode in ("off", "auto", "on"):
        # What fusion sees as it is has fewer frames.
        options = {"twice": False, "cameras": "moving"} if name == "fusion" else {}
        method = methods.create(name, stabilise=mode, **options)
        requests = [
            request for request in method.requests(card) if name != "fusion" or request.frames == 16
        ]
        assert {request.view.stabilise for request in requests} == {mode}
        nodes = method.encode(make_features(method, card, 2))
        assert all(value.shape[0] == 2 for value in nodes.values())


def test_a2m2_can_take_the_line_away_too() -> None:
    found = {FeatureRequest("middle", View(8)): torch.rand(2, 8, 6, 4, 4, dtype=torch.float64)}
    slope = torch.rand(2, 1, 6, 4, 4, dtype=torch.float64)
    tilted = {
        request: maps + slope * torch.linspace(-1, 1, 8)[:, None, None, None]
        for request, maps in found.items()
    }
    for level in (True, False):
        method = methods.create("a2m2", level=level).double()
        same = torch.allclose(method.encode(found)["nodes"], method.encode(tilted)["nodes"])
        assert same == level
