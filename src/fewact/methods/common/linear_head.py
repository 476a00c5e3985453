"""Linear classifiers in closed form, of one vector of each video.

A classifier is a weighted sum of the support vectors, and its solver needs their inner products
only. An evaluation computes these where the vectors are, without a copy of any vector.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal, TypeVar

import torch
from pydantic import ConfigDict, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import BankScorer, Method, Nodes, one_hot_mean, promoted
from fewact.methods.common.products import BankProducts

FrameOrder = Literal["pooled", "ordered"]
"""The vector of a video: the mean of its frames, or its frames one after the other."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
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


@plain_dataclass(frozen=True)
class LinearState:
    """A linear classifier: logits = ⟨weights, x⟩ + bias of a centred vector x.

    Args:
        centre: Vector (b 1 D) that is subtracted from each video's.
        weights: (b n D).
        bias: (b n).
    """

    centre: Tensor
    weights: Tensor
    bias: Tensor


LinearOptionsT = TypeVar("LinearOptionsT", bound=LinearOptions)


class LinearHead(Method[LinearOptionsT, LinearState]):
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
        """Request one vector per frame."""
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
        centre = self.centre(vectors)
        if self.centred_on_support:
            centre = means.mean(1, keepdim=True) @ vectors
        vectors = self.prepared(vectors, centre)
        weights, bias = self.solve(vectors @ vectors.mT, labels, means)
        return LinearState(centre, weights @ vectors, bias)

    def centre(self, vectors: Tensor) -> Tensor:
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

    def prepared(self, vectors: Tensor, centre: Tensor) -> Tensor:
        """Return centred vectors (b v D), of length 1 if the option says so."""
        centred = vectors - centre
        return functional.normalize(centred, dim=-1) if self.options.unit_length else centred

    def score(self, state: LinearState, nodes: Nodes) -> Tensor:
        """Return logits (b q n)."""
        query = self.prepared(nodes["vector"], state.centre)
        return torch.baddbmm(state.bias[:, None], query, state.weights.mT)

    def bank_scorer(self, support: Nodes, query: Nodes) -> BankScorer:
        """Return a scorer from the products of the videos' vectors."""
        banks = [side["vector"] for side in (support, query)]
        if not self.centred_on_support:
            banks = [bank - self.centre(bank)[0] for bank in banks]
        products = BankProducts(*banks)

        def score(rows: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            means = one_hot_mean(labels, n, banks[0].dtype)  # (b n s)
            if self.centred_on_support:
                found = products.centred(rows, queries, means.mean(1))
            else:
                found = products.of(rows, queries)
            if self.options.unit_length:
                found = found.unit_length()
            weights, bias = self.solve(found.support, labels, means)
            return torch.baddbmm(bias[:, None], found.across, weights.mT)

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
