import numpy as np
import pytest
import torch

from fewact import align
from fewact.align import diagonal, emd
from tests.align import reference
from tests.align.made_up import costs, shuffled
from tests.both import both

hungarian = both(align.hungarian)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 5), (6, 6), (2, 3), (2, 4), (1, 5), (3, 2)])
def test_is_the_best_of_all_assignments(size):
    cost = costs(5, *size) - 0.3
    got = hungarian(cost)
    expected = [reference.hungarian(one.numpy()) for one in cost]
    np.testing.assert_allclose(got.value, expected, atol=1e-12)
    rows = torch.full((5, size[0]), 1 / size[0], dtype=cost.dtype)
    torch.testing.assert_close(got.plan.sum(-1), rows)


def test_plan_is_a_permutation():
    cost = costs(10, 7, 7)
    plan = 7 * hungarian(cost).plan
    torch.testing.assert_close(plan, plan.round())
    torch.testing.assert_close(plan.sum(-1), torch.ones(10, 7, dtype=plan.dtype))
    torch.testing.assert_close(plan.sum(-2), torch.ones(10, 7, dtype=plan.dtype))


def test_is_transport_with_uniform_weights():
    cost = costs(6, 4, 6)
    a, b = cost.new_full((4,), 1 / 4), cost.new_full((6,), 1 / 6)
    torch.testing.assert_close(hungarian(cost).value, emd(cost, a, b).value)
    torch.testing.assert_close(hungarian(shuffled(cost)).value, hungarian(cost).value)
    square = costs(6, 5, 5)
    assert (hungarian(square).value <= diagonal(square).value + 1e-12).all()
