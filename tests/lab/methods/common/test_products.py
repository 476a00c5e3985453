"""Products of centred vectors, of banks and of episodes that are almost one vector."""

import pytest
import torch

from fewact.lab import methods
from fewact.lab.methods.common.linear_head import BankProducts, of_vectors

ROWS = torch.tensor([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])
QUERIES = torch.tensor([[0, 1, 2], [3, 4, 5]])
LABELS = torch.tensor([[0, 0, 1, 1, 2, 2]]).repeat(2, 1)


def banks(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of two episodes; those of the second differ by noise alone."""
    made = torch.Generator().manual_seed(0)
    support, query = (torch.rand(count, 64, generator=made) for count in (12, 6))
    same = torch.rand(64, generator=made)
    support[6:], query[3:] = same + noise * support[6:], same + noise * query[3:]
    return support, query


@pytest.mark.parametrize("noise", [1.0, 1e-2, 1e-3])
@pytest.mark.parametrize("name", ["simpleshot", "ridge", "lda"])
def test_scores_of_banks_are_those_of_the_vectors(name: str, noise: float) -> None:
    support, query = banks(noise)
    method = methods.create(name, frame_order="pooled").eval()
    with torch.no_grad():
        scorer = method.bank_scorer({"vector": support}, {"vector": query})
        assert scorer is not None
        found = scorer(ROWS, LABELS, 3, QUERIES)
        exact = method.double()
        state = exact.support({"vector": support.double()[ROWS]}, LABELS, 3)
        expected = exact.score(state, {"vector": query.double()[QUERIES]})
    # At 1e-3 float32 rounds the centre to 1e-4 of what distinguishes the vectors.
    torch.testing.assert_close(found.double(), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["simpleshot", "ridge", "lda"])
def test_an_episode_does_not_depend_on_its_company(name: str) -> None:
    support, query = banks(1e-3)
    method = methods.create(name, frame_order="pooled").eval()
    with torch.no_grad():
        scorer = method.bank_scorer({"vector": support}, {"vector": query})
        assert scorer is not None
        both = scorer(ROWS, LABELS, 3, QUERIES)
        for i in range(2):
            alone = scorer(ROWS[i, None], LABELS[i, None], 3, QUERIES[i, None])
            assert torch.equal(both[i], alone[0])


def test_only_episodes_that_are_almost_one_vector_are_centred_first() -> None:
    support, query = banks(1e-3)
    weights = torch.full((2, 6), 1 / 6)
    products = BankProducts(support, query)
    found, before = products.centred(ROWS, QUERIES, weights), products.of(ROWS, QUERIES)
    assert torch.equal(found.across[0], before.centred(weights).across[0])
    centre = support[ROWS].double().mean(1, keepdim=True)
    exact = of_vectors(support[ROWS].double() - centre, query[QUERIES].double() - centre)
    for one, other in (
        (found.support, exact.support),
        (found.across, exact.across),
        (found.query, exact.query),
    ):
        torch.testing.assert_close(one[1].double(), other[1], rtol=1e-3, atol=1e-8)
    assert (before.centred(weights).across[1] - exact.across[1]).abs().max() > 1e-6
