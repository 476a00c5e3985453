import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewact import align
from fewact.align import cosine_cost
from tests.align import reference
from tests.align.made_up import costs, shuffled
from tests.both import both

bi_mhm = both(align.bi_mhm)


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    reduction=st.sampled_from(["sum", "mean"]),
    both=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_is_its_definition(size, reduction, both, seed):
    cost = costs(3, *size, seed=seed)
    got = bi_mhm(cost, reduction=reduction, bidirectional=both).value
    expected = [reference.bi_mhm(one.numpy(), reduction, both) for one in cost]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_order_and_repetition_have_no_effect():
    cost = costs(4, 5, 7)
    for reduction in ("sum", "mean"):
        value = bi_mhm(cost, reduction=reduction).value
        torch.testing.assert_close(bi_mhm(shuffled(cost), reduction=reduction).value, value)
    twice = cost.repeat_interleave(2, -2)
    torch.testing.assert_close(bi_mhm(twice, reduction="mean").value, value)
    assert not torch.allclose(bi_mhm(twice).value, bi_mhm(cost).value)


def test_of_a_video_with_itself():
    x = costs(6, 9)
    assert bi_mhm(cosine_cost(x, x, eps=0)).value.abs() < 1e-12


def test_tie_goes_to_one_part():
    plan = bi_mhm(torch.zeros(3, 4), bidirectional=False).plan
    assert torch.equal(plan.sum(-1), torch.ones(3))
    assert torch.equal(plan, plan.round())
    one_way = bi_mhm(torch.zeros(3, 4)).plan
    assert one_way.sum() == 7
