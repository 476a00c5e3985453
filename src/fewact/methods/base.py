"""The contract of few-shot methods: ten members. Protocols declare the optional functions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from fewact.core.array_api import namespace, widened
from fewact.core.options import NoOptions
from fewact.features.request import Features, Request
from fewact.networks.card import Card

Nodes = Mapping[str, NDArray[Any]]
"""Encoded videos: named arrays, all with the same leading axes."""

Labels = NDArray[np.int64]
Logits = NDArray[np.floating[Any]]

OptionsT = TypeVar("OptionsT", default=Any)
StateT = TypeVar("StateT", default=Any)


class Method(ABC, Generic[OptionsT, StateT]):
    """A few-shot method: encodes each video alone, summarises the support, scores queries.

    ``Method[Options, State]`` names the dataclass of the options and the dataclass that ``support``
    returns. Nothing is kept on the method between calls: what depends on an episode is in its
    state. There is at least one episode, and one query in each.
    """

    Options: ClassVar[type] = NoOptions
    options: OptionsT
    uses_text: bool = False
    """Whether the names of the classes are used."""
    transductive: bool = False
    """Whether the logits of a query depend on the other queries of its episode."""
    trained: bool = True
    """False while learnable parts have random initial weights: scores mean nothing until then."""
    temperature: float = 1.0
    """Probabilities are softmax(logits / temperature) unless a calibration on clips replaces it."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @abstractmethod
    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that the method needs of a backbone."""

    @abstractmethod
    def encode(self, features: Features) -> Nodes:
        """Return the nodes of each video, computed from that video alone: (… t …) → (… …)."""

    @abstractmethod
    def support(self, nodes: Nodes, labels: Labels, n: int) -> StateT:
        """Return what ``score`` needs to know of the classes of each episode.

        Args:
            nodes: Nodes of the support videos (b s …), in any order.
            labels: (b s) int64 in 0 … n−1; classes may have different numbers of shots.
            n: Number of classes.

        Returns:
            A small dataclass of arrays that begin with b.
        """

    @abstractmethod
    def score(self, state: StateT, nodes: Nodes) -> Logits:
        """Return logits (b q n) of the query videos' nodes (b q …): bigger is nearer."""


def rows(nodes: Mapping[str, Any], index: Any) -> dict[str, Any]:
    """Return the nodes of some videos: each array indexed alike."""
    return {name: value[index] for name, value in nodes.items()}


def one_hot(labels: Any, n: int, dtype: Any) -> Any:
    """Return one-hot labels: (b s) int64 in 0 … n−1 → (b s n)."""
    xp = namespace(labels)
    classes = xp.arange(n, device=labels.device)
    return xp.astype(labels[..., None] == classes, dtype)


def one_hot_mean(labels: Any, n: int, dtype: Any) -> Any:
    """Return weights (b n s) that average the videos of each class, for any numbers of shots.

    Args:
        labels: (b s) int64 in 0 … n−1, each class at least once.
        n: Number of classes.
        dtype: Data type of the weights.
    """
    hot = one_hot(labels, n, dtype).mT  # (b n s)
    return hot / namespace(hot).sum(hot, axis=-1, keepdims=True)


promoted = widened
"""Return features as float32 at least, whatever type they were stored in."""
