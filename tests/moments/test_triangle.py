import pytest
import torch

from fewact.core.errors import ShapeError
from fewact.moments import from_upper_triangle, upper_triangle


def test_row_by_row():
    matrix = torch.arange(9).view(3, 3)
    assert upper_triangle(matrix).tolist() == [0, 1, 2, 4, 5, 8]


@pytest.mark.parametrize("d", [1, 2, 3, 8])
def test_round_trip(d):
    matrix = torch.randn(2, 3, d, d, generator=torch.Generator().manual_seed(0))
    matrix = matrix + matrix.mT
    vector = upper_triangle(matrix)
    assert vector.shape == (2, 3, d * (d + 1) // 2)
    assert torch.equal(from_upper_triangle(vector), matrix)


def test_refuses_other_lengths():
    with pytest.raises(ShapeError, match="upper triangle of this length"):
        from_upper_triangle(torch.ones(2, 4))
    with pytest.raises(ShapeError, match="matrix"):
        upper_triangle(torch.ones(2, 4))
