"""The fixed projection of channels."""

import numpy as np
import pytest
import torch

from fewact.methods.common.reduction import AFFORDABLE, affordable, orthogonal_projection
from tests.methods.made_up import assert_close, uniform


@pytest.mark.parametrize(("channels", "width"), [(129, 128), (1024, 128), (10, 8), (13, 7)])
def test_the_directions_are_those_of_torch(channels: int, width: int) -> None:
    """Saved indices and published results are of these numbers."""
    generator = torch.Generator().manual_seed(0)
    gaussian = torch.randn(channels, width, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    expected = (q * r.diagonal().sign()).T.float()
    assert_close(orthogonal_projection(channels, width), expected.numpy(), atol=1e-7, rtol=0)


def test_rows_are_orthonormal_and_cannot_be_changed() -> None:
    projection = orthogonal_projection(300, 40)
    assert_close(projection @ projection.T, np.eye(40), atol=1e-6)
    with pytest.raises(ValueError):  # noqa: PT011 - of NumPy
        projection[0] = 0


def test_few_channels_stay_and_many_are_projected() -> None:
    few, many = uniform(2, 3, AFFORDABLE, 4, 5), uniform(2, 3, 200, 4, 5)
    assert affordable(few) is few
    projection = orthogonal_projection(200, AFFORDABLE).astype(np.float64)
    assert_close(affordable(many), np.einsum("dc,btchw->btdhw", projection, many))
