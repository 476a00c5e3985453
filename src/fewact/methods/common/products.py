"""Inner products of the vectors of each episode, for methods that need no more than these."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewact import align
from fewact.methods.base import promoted

SMALLEST_SQUARE = 1e-24
"""Smallest squared norm that a product is divided by."""

SMALLEST_REMAINDER = 1e-2
"""Smallest fraction of a squared norm that centring may leave when products are centred: below, the
rounding of the products would be seen, and the vectors themselves are centred."""


@dataclass(frozen=True)
class Products:
    """Inner products of one vector of each video.

    Args:
        support: Support videos with each other (b s s).
        across: Queries with support videos (b q s).
        query: Queries with themselves (b q).
    """

    support: Tensor
    across: Tensor
    query: Tensor

    def centred(self, weights: Tensor) -> "Products":
        """Return the products after the subtraction of the weighted sum of the support vectors.

        Args:
            weights: (b s).
        """
        with_support = self.support @ weights[..., None]  # (b s 1): products with the sum
        with_query = self.across @ weights[..., None]  # (b q 1)
        square = weights[:, None] @ with_support  # (b 1 1)
        return Products(
            self.support - with_support - with_support.mT + square,
            self.across - with_query - with_support.mT + square,
            self.query - 2 * with_query[..., 0] + square[..., 0],
        )

    def unit_length(self) -> "Products":
        """Return the products of the vectors after scaling to length 1; zero vectors stay zero."""
        of_support, of_query = (
            x.clamp_min(SMALLEST_SQUARE).rsqrt() for x in (self._own, self.query)
        )
        return Products(
            self.support * of_support[:, None] * of_support[..., None],
            self.across * of_support[:, None] * of_query[..., None],
            self.query * of_query.square(),
        )

    def smallest_fraction(self, before: "Products") -> Tensor:
        """Return the smallest squared norm of each episode (b) relative to that before centring."""
        kept = (
            (after / whole.clamp_min(SMALLEST_SQUARE)).amin(-1)
            for after, whole in ((self.query, before.query), (self._own, before._own))
        )
        return torch.minimum(*kept)

    def replaced(self, which: Tensor, others: "Products") -> "Products":
        """Return the products with those of other episodes in the places ``which`` (b) bool."""
        both = ((self.support, others.support), (self.across, others.across))
        support, across = (own.index_put((which,), other) for own, other in both)
        return Products(support, across, self.query.index_put((which,), others.query))

    @property
    def _own(self) -> Tensor:
        return self.support.diagonal(dim1=-2, dim2=-1)


def of_vectors(support: Tensor, query: Tensor) -> Products:
    """Return the products of support vectors (b s D) and query vectors (b q D)."""
    return Products(support @ support.mT, query @ support.mT, query.square().sum(-1))


class BankProducts:
    """Products of episodes whose videos are rows of banks; vectors are not copied.

    Args:
        support: (v D).
        query: (w D).
    """

    def __init__(self, support: Tensor, query: Tensor) -> None:
        self._support, self._query = (x.to(promoted(x)) for x in (support, query))
        self._squares = self._query.square().sum(1)

    def of(self, rows: Tensor, queries: Tensor) -> Products:
        """Return the products of support rows (b s) and query rows (b q)."""
        support, query = self._support[:, None], self._query[:, None]  # (v 1 D), (w 1 D)
        return Products(
            align.block_products(support, rows, support, rows)[..., 0, 0],
            align.block_products(query, queries, support, rows)[..., 0, 0],
            self._squares[queries],
        )

    def centred(self, rows: Tensor, queries: Tensor, weights: Tensor) -> Products:
        """Return the products after the subtraction of the weighted sum of the support vectors.

        An episode of which this leaves almost nothing is centred before the products are computed.

        Args:
            rows: Support rows (b s).
            queries: Query rows (b q).
            weights: (b s).
        """
        before = self.of(rows, queries)
        found = before.centred(weights)
        rounded = found.smallest_fraction(before) < SMALLEST_REMAINDER  # (b)
        if not rounded.any():
            return found
        support, query = self._support[rows[rounded]], self._query[queries[rounded]]
        centre = weights[rounded][:, None] @ support  # (b 1 D)
        return found.replaced(rounded, of_vectors(support - centre, query - centre))
