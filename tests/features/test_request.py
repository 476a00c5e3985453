"""Vectors of what moves, against their definition."""

import numpy as np
from numpy.typing import NDArray

from fewact.features.request import MovingRequest, View, motion_weights, moving_vectors


def maps(seed: int = 0) -> NDArray[np.float64]:
    """Maps (2 8 5 3 4) that change most in the cell at (1, 2), a little in that at (0, 0)."""
    draws = np.random.default_rng(seed)
    found = np.repeat(draws.random((2, 1, 5, 3, 4)), 8, 1)
    found[..., 1, 2] += draws.random((2, 8, 5))
    found[..., 0, 0] += 0.1 * draws.random((2, 8, 5))
    return found


def test_cells_weigh_as_much_as_they_change() -> None:
    found = maps()
    weights = motion_weights(found)
    np.testing.assert_allclose(weights.sum((-2, -1)), 1)
    assert (weights.reshape(2, -1) > 1e-9).sum(1).tolist() == [2, 2]  # the median cell is static
    cell, other = found[0, :, :, 1, 2], found[0, :, :, 0, 0]
    change, little = (np.sqrt(np.square(x - x.mean(0)).sum(1).mean()) for x in (cell, other))
    np.testing.assert_allclose(weights[0, 1, 2], change / (change + little))
    expected = np.einsum("vtchw,vhw->vtc", found, weights)
    np.testing.assert_allclose(moving_vectors(found), expected)


def test_of_a_still_video_the_vectors_are_the_means() -> None:
    still = np.repeat(maps()[:, :1], 8, 1)
    still[:] = np.round(still, 3)
    np.testing.assert_allclose(moving_vectors(still), still.mean((-2, -1)))


def test_each_video_has_its_own_weights() -> None:
    found = maps()
    np.testing.assert_allclose(moving_vectors(found)[1], moving_vectors(found[1]))


def test_features_of_half_the_precision_stay_what_they_are() -> None:
    found = maps().astype(np.float32)
    assert moving_vectors(found).dtype == motion_weights(found).dtype == np.float32


def test_the_request_is_kept_apart_from_that_of_the_maps() -> None:
    request = MovingRequest(view=View(8))
    assert str(request) == "moving:8"
    assert len({request, MovingRequest(view=View(8)), MovingRequest(view=View(4))}) == 2
