"""Linear classifiers in closed form, of one vector of each video.

A classifier is a weighted sum of the support vectors, and its solver needs their inner products
only. An evaluation computes these where the vectors are, without a copy of any vector.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fewact import align
from fewact.features.request import FeatureRequest, Request, Stabilise, View
from fewact.lab.methods.base import Features, Nodes, TorchMethod, one_hot_mean, promoted
from fewact.methods.common.options import options_dataclass
from fewact.methods.protocols import BankScorer
from fewact.networks.card import Card

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
        """Return the products after subtracting the support's sum with weights (b s)."""
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
        fractions = (
            (after / whole.clamp_min(SMALLEST_SQUARE)).amin(-1)
            for after, whole in ((self.query, before.query), (self._own, before._own))
        )
        return torch.minimum(*fractions)

    def replaced(self, which: Tensor, replacements: "Products") -> "Products":
        """Return the products, replaced in the episodes ``which`` (b) bool."""
        sides = ((self.support, replacements.support), (self.across, replacements.across))
        support, across = (values.index_put((which,), replacement) for values, replacement in sides)
        return Products(support, across, self.query.index_put((which,), replacements.query))

    @property
    def _own(self) -> Tensor:
        return self.support.diagonal(dim1=-2, dim2=-1)


def of_vectors(support: Tensor, query: Tensor) -> Products:
    """Return the products of support vectors (b s D) and query vectors (b q D)."""
    return Products(support @ support.mT, query @ support.mT, query.square().sum(-1))


class BankProducts:
    """Products of episodes whose videos are rows of banks; vectors are not copied."""

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

        If almost nothing of an episode is left, its vectors are centred before the products are
        computed.
        """
        before = self.of(rows, queries)
        centred = before.centred(weights)
        rounded = centred.smallest_fraction(before) < SMALLEST_REMAINDER  # (b)
        if not rounded.any():
            return centred
        support, query = self._support[rows[rounded]], self._query[queries[rounded]]
        offset = weights[rounded][:, None] @ support  # (b 1 D)
        return centred.replaced(rounded, of_vectors(support - offset, query - offset))


FrameOrder = Literal["pooled", "ordered"]
"""The vector of a video: the mean of its frames, or its frames one after the other."""


@options_dataclass
class LinearOptions:
    """Options of all linear heads.

    Args:
        frames: Frames of a video.
        stabilise: Compensate camera motion; ``auto`` compensates detected camera motion.
        frame_order: Vector of a video: ``pooled``, the mean of its frames, or ``ordered``, its
            frames one after the other.
        unit_length: Scale the centred vectors to length 1.
        temperature: Temperature of the logits.
    """

    frames: PositiveInt = 8
    stabilise: Stabilise = "off"
    frame_order: FrameOrder = "ordered"
    unit_length: bool = True
    temperature: PositiveFloat = 1.0


@dataclass(frozen=True)
class LinearState:
    """A linear classifier: logits = ⟨weights, x⟩ + bias of a centred vector x.

    Args:
        offset: Vector (b 1 D) that is subtracted from each video's.
        weights: (b n D).
        bias: (b n).
    """

    offset: Tensor
    weights: Tensor
    bias: Tensor


LinearOptionsT = TypeVar("LinearOptionsT", bound=LinearOptions)


class LinearHead(TorchMethod[LinearOptionsT, LinearState]):
    """A method whose score is linear in one vector of each video."""

    scoring = frozenset({"unit_length", "temperature"})
    centred_on_support: bool = True
    """Whether the mean of an episode's class means is subtracted from its vectors."""
    calibrated: ClassVar[float] = 1.0
    """Temperature of the probabilities at temperature 1 of the logits."""

    def __init__(self, options: LinearOptionsT) -> None:
        super().__init__(options)
        self.temperature = self.calibrated / options.temperature

    def requests(self, card: Card) -> tuple[Request, ...]:
        return (self._request,)

    @property
    def _request(self) -> Request:
        return FeatureRequest("vectors", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """Return the vector (… D) of each video."""
        frames = features[self._request]
        frames = frames.to(promoted(frames))
        pooled = self.options.frame_order == "pooled"
        return {"vector": frames.mean(-2) if pooled else frames.flatten(-2)}

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> LinearState:
        """Return the classifier of each episode."""
        vectors = nodes["vector"]
        means = one_hot_mean(labels, n, vectors.dtype)  # (b n s)
        offset = self.offset(vectors)
        if self.centred_on_support:
            offset = means.mean(1, keepdim=True) @ vectors
        vectors = self.prepared(vectors, offset)
        weights, bias = self.solve(vectors @ vectors.mT, labels, means)
        return LinearState(offset, weights @ vectors, bias)

    def offset(self, vectors: Tensor) -> Tensor:
        """Return what is subtracted from vectors (b v D) of any episode: (1 1 D), default 0."""
        return vectors.new_zeros(1, 1, vectors.shape[-1])

    @abstractmethod
    def solve(self, gram: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classes as weighted sums of the support vectors (b n s), and biases (b n).

        Args:
            gram: Inner products (b s s) of the prepared support vectors.
            labels: (b s).
            means: Weights (b n s) that average the videos of each class.
        """

    def prepared(self, vectors: Tensor, offset: Tensor) -> Tensor:
        """Return centred vectors (b v D), of length 1 if the option says so."""
        centred = vectors - offset
        return functional.normalize(centred, dim=-1) if self.options.unit_length else centred

    def score(self, state: LinearState, nodes: Nodes) -> Tensor:
        query = self.prepared(nodes["vector"], state.offset)
        return torch.baddbmm(state.bias[:, None], query, state.weights.mT)

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer:
        """Return a scorer from the products of the videos' vectors."""
        banks = [side["vector"] for side in (support, query)]
        if not self.centred_on_support:
            banks = [bank - self.offset(bank)[0] for bank in banks]
        products = BankProducts(*banks)

        def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            means = one_hot_mean(labels, n, banks[0].dtype)  # (b n s)
            if self.centred_on_support:
                inner = products.centred(rows, queries, means.mean(1))
            else:
                inner = products.of(rows, queries)
            if self.options.unit_length:
                inner = inner.unit_length()
            weights, bias = self.solve(inner.support, labels, means)
            return torch.baddbmm(bias[:, None], inner.across, weights.mT)

        return score


class SolvedHead(LinearHead[LinearOptionsT]):
    """A linear head with a trained factor of its logits, initially 1 / temperature."""

    def __init__(self, options: LinearOptionsT) -> None:
        super().__init__(options)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))

    def scaled(self, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return a classifier whose logits are multiplied by the factor."""
        scale = self.log_scale.exp().to(weights.dtype)
        return scale * weights, scale * bias
