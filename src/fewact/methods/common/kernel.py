"""Class scores from similarities between pairs of videos."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor
from torch.nn import functional

from fewact.methods.base import Method, Nodes, one_hot_mean

PairSimilarity = Callable[[Nodes, Nodes], Tensor]
"""(b q …), (b s …) → (b q s): similarity of each query with each support video."""

VIDEOS_AT_ONCE = 64


def mean_over_shots(similarity: Tensor, labels: Tensor, n: int) -> Tensor:
    """Mean similarity with the videos of each class.

    Args:
        similarity: (b q s).
        labels: (b s) classes of the support videos.
        n: Number of classes.

    Returns:
        (b q n).
    """
    return similarity @ one_hot_mean(labels, n, similarity.dtype).transpose(-1, -2)


def compactness(similarity: PairSimilarity, nodes: Nodes, labels: Tensor, n: int) -> Tensor:
    """How alike the videos of each class are: mean similarity over its pairs in both orders.

    Half of it, taken from a class's mean similarity with a query, leaves what ranks classes by the
    squared distance from the query to the class's mean in the kernel's feature space. A video's
    similarity with itself stands for no pair of videos: it would make classes of few shots look
    loose. In its place stands the mean over all pairs of the episode, so a class of one shot gets
    just that; with even shots this changes no ranking.

    Args:
        similarity: Symmetric similarity of two sets of videos; computed inside classes only.
        nodes: Of the support videos (b s …).
        labels: (b s).
        n: Number of classes.

    Returns:
        (b n); zero where no class has two videos.
    """
    shots = functional.one_hot(labels, n).sum(1)  # (b n)
    total = next(iter(nodes.values())).new_zeros(shots.shape)
    for k in shots.unique().tolist():
        if k < 2:
            continue
        for some in (shots == k).nonzero().split(max(1, VIDEOS_AT_ONCE // k)):
            at, own = some.unbind(1)  # (r) episodes and classes
            members = (labels[at] == own[:, None]).nonzero()[:, 1].unflatten(0, (-1, k))  # (r k)
            videos = {name: value[at[:, None], members] for name, value in nodes.items()}
            pairs = similarity(videos, videos)  # (r k k)
            others = pairs.sum((1, 2)) - pairs.diagonal(dim1=1, dim2=2).sum(1)
            total = total.to(others.dtype).index_put((at, own), others)
    number = (shots * (shots - 1)).sum(-1, keepdim=True)
    typical = total.sum(-1, keepdim=True) / number.clamp_min(1)
    return (total + shots * typical) / shots**2


def leave_one_out(similarity: Tensor, labels: Tensor, n: int, temperature: float) -> Tensor:
    """Log-likelihood of the videos of each episode, every one of them told by the others.

    A video's logits are its mean similarities with the other videos of each class, over the
    temperature. A video that is alone in its class counts nothing.

    Args:
        similarity: (b s s).
        labels: (b s) in 0 … n−1, each class at least once.
        n: Number of classes.
        temperature: Positive.

    Returns:
        (b), at most 0; 0 where no class has two videos.
    """
    own = functional.one_hot(labels, n).to(similarity.dtype)  # (b s n)
    others = own.sum(1, keepdim=True) - own
    itself = similarity.diagonal(dim1=1, dim2=2)[..., None] * own
    logits = (similarity @ own - itself) / others.clamp_min(1) / temperature
    told: Tensor = (logits.log_softmax(-1) * own * (others > 0)).sum((1, 2))
    return told


@dataclass(frozen=True)
class KernelState:
    """What queries are compared with.

    Args:
        nodes: Of the support (b s …).
        labels: Their classes (b s).
        compactness: Of each class (b n).
    """

    nodes: Nodes
    labels: Tensor
    compactness: Tensor


class KernelOptions(Protocol):
    """Options that every kernel method has."""

    @property
    def compactness(self) -> float:
        """How much of a class's mean similarity with itself is subtracted."""


KernelOptionsT = TypeVar("KernelOptionsT", bound=KernelOptions)


class KernelMethod(Method[KernelOptionsT, KernelState]):
    """A class scores its mean similarity with a query, less a share of its compactness.

    The share is the option ``compactness``; one half ranks by the distance to the class's mean.
    """

    @abstractmethod
    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """Similarity of two sets of videos, symmetric: (b q …), (b s …) → (b q s)."""

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> KernelState:
        """The support as it is, and how alike the videos of each class are."""
        return KernelState(nodes, labels, compactness(self.similarity, nodes, labels, n))

    def score(self, state: KernelState, nodes: Nodes) -> Tensor:
        """Logits (b q n)."""
        return self.score_and_pairs(state, nodes)[0]

    def score_and_pairs(self, state: KernelState, nodes: Nodes) -> tuple[Tensor, Tensor]:
        """Logits (b q n), and the similarities (b q s) that they average."""
        pairs = self.similarity(nodes, state.nodes)
        mean = mean_over_shots(pairs, state.labels, state.compactness.shape[-1])
        return mean - self.options.compactness * state.compactness[:, None], pairs
