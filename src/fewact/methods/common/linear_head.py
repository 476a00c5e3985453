"""Linear classifiers in closed form, of one vector of each video."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Method, Nodes, one_hot_mean, promoted

FrameOrder = Literal["pooled", "ordered"]
"""The vector of a video: the mean of its frames, or its frames one after the other."""


class LinearOptions(Protocol):
    """Options that all linear heads have."""

    @property
    def frames(self) -> int:
        """Frames of a video."""

    @property
    def stabilise(self) -> Stabilise:
        """Compensate camera motion."""

    @property
    def frame_order(self) -> FrameOrder:
        """Vector of a video."""

    @property
    def unit_length(self) -> bool:
        """Scale the centred vectors to length 1."""


@dataclass(frozen=True)
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

    scoring = frozenset({"unit_length"})

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
        centre = self.centre(means @ vectors)  # (b 1 D)
        weights, bias = self.fit(self.prepared(vectors, centre), labels, means)
        return LinearState(centre, weights, bias)

    def centre(self, class_means: Tensor) -> Tensor:
        """Return what is subtracted from all vectors (b 1 D); default: the mean of the classes."""
        return class_means.mean(1, keepdim=True)

    @abstractmethod
    def fit(self, vectors: Tensor, labels: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights (b n D) and biases (b n) of the classes.

        Args:
            vectors: Centred vectors of the support videos (b s D).
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
