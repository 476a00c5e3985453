import torch

from fewact import align
from fewact.core.errors import ShapeError
from tests.align.made_up import costs
from tests.both import both
from tests.refused import refused

diagonal = both(align.diagonal)


def test_is_its_definition():
    cost = costs(3, 4, 4)
    expected = sum(cost[:, i, i] for i in range(4))
    torch.testing.assert_close(diagonal(cost, reduction="sum").value, expected)
    torch.testing.assert_close(diagonal(cost).value, expected / 4)
    assert torch.equal(diagonal(cost).plan[2], torch.eye(4, dtype=cost.dtype) / 4)


def test_refuses_other_numbers_of_frames():
    with refused(ShapeError, where="cost", expected="m m"):
        diagonal(torch.zeros(3, 4))
