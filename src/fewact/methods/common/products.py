"""Inner products of the vectors of each episode, for methods that need no more than these."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from fewact import align
from fewact.methods.base import promoted


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

    def smallest_fraction(self, before: "Products") -> float:
        """Return the smallest squared norm relative to the same before centring."""
        kept = (
            after / whole.clamp_min(SMALLEST_SQUARE)
            for after, whole in ((self.query, before.query), (self._own, before._own))
        )
        return min(float(each.min()) for each in kept)

    @property
    def _own(self) -> Tensor:
        return self.support.diagonal(dim1=-2, dim2=-1)


SMALLEST_SQUARE = 1e-24
"""Smallest squared norm that a product is divided by."""


def of_banks(support: Tensor, query: Tensor) -> Callable[[Tensor, Tensor], Products]:
    """Return a function from support rows (b s) and query rows (b q) to products, without copies.

    Args:
        support: (v D).
        query: (w D).
    """
    first, second = (x.to(promoted(x))[:, None] for x in (support, query))  # (v 1 D), (w 1 D)
    squares = second.square().sum((1, 2))

    def products(rows: Tensor, queries: Tensor) -> Products:
        return Products(
            align.block_products(first, rows, first, rows)[..., 0, 0],
            align.block_products(second, queries, first, rows)[..., 0, 0],
            squares[queries],
        )

    return products
