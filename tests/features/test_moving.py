"""Vectors of what moves, against their definition."""

import torch

from fewact.features.moving import motion_weights, moving_vectors
from fewact.features.request import MovingRequest, View, request_facts, request_from_facts


def maps(seed: int = 0) -> torch.Tensor:
    """Maps (2 8 5 3 4) that change most in the cell at (1, 2), a little in that at (0, 0)."""
    draws = torch.Generator().manual_seed(seed)
    found = torch.rand(2, 1, 5, 3, 4, generator=draws).double().expand(2, 8, 5, 3, 4).clone()
    found[..., 1, 2] += torch.rand(2, 8, 5, generator=draws)
    found[..., 0, 0] += 0.1 * torch.rand(2, 8, 5, generator=draws)
    return found


def test_cells_weigh_as_much_as_they_change() -> None:
    found = maps()
    weights = motion_weights(found)
    torch.testing.assert_close(weights.sum((-2, -1)), torch.ones(2).double())
    assert (weights.flatten(1) > 0).sum(1).tolist() == [2, 2]  # the median cell does not change
    cell = found[0, :, :, 1, 2]
    change = (cell - cell.mean(0)).square().sum(1).mean().sqrt()
    other = found[0, :, :, 0, 0]
    little = (other - other.mean(0)).square().sum(1).mean().sqrt()
    torch.testing.assert_close(weights[0, 1, 2], change / (change + little))
    expected = torch.einsum("vtchw,vhw->vtc", found, weights)
    torch.testing.assert_close(moving_vectors(found), expected)


def test_of_a_still_video_the_vectors_are_the_means() -> None:
    still = maps()[:, :1].expand(2, 8, 5, 3, 4)
    torch.testing.assert_close(moving_vectors(still), still.mean((-2, -1)))


def test_each_video_has_its_own_weights() -> None:
    found = maps()
    torch.testing.assert_close(moving_vectors(found)[1], moving_vectors(found[1]))


def test_the_request_is_kept_apart_from_that_of_the_maps() -> None:
    request = MovingRequest(view=View(8))
    assert request_from_facts(request_facts(request)) == request
    assert str(request) == "moving:8"
    assert len({request, MovingRequest(view=View(8)), MovingRequest(view=View(4))}) == 2
