import torch

from fewact import moments
from fewact.core.errors import ShapeError
from tests.both import both
from tests.refused import refused

upper_triangle = both(moments.upper_triangle)


def test_row_by_row():
    matrix = torch.arange(18).view(2, 3, 3)
    assert upper_triangle(matrix).tolist() == [[0, 1, 2, 4, 5, 8], [9, 10, 11, 13, 14, 17]]


def test_refuses_other_shapes():
    with refused(ShapeError, where="matrix"):
        upper_triangle(torch.ones(2, 4))
