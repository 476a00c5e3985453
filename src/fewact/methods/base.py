"""The contract that every few-shot method fulfils."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fewact.backbones.card import Card
from fewact.features.request import Features, Request

Nodes = Mapping[str, Tensor]
"""What a method keeps of videos: named tensors, all with the same leading axes."""


@dataclass(frozen=True)
class TrainingBatch:
    """Episodes as a trainer hands them to ``losses``.

    Args:
        support: Features of the support videos (b s …).
        support_labels: (b s) int64, 0 … n−1.
        query: Features of the query videos (b q …).
        query_labels: (b q) int64, 0 … n−1.
        n: Classes of an episode.
        text: Embeddings of the support classes' names (b n d), for methods that use text. A query's
            own is ``text`` at its label: known here alone, never to ``score``.
        base_text: Embeddings of the names of all training classes (N d).
        base_classes: (b n) int64, which of the training classes each of an episode's is.
        classify: Logits (b v N) of the training classes from the nodes of videos (b v …): a head
            that is trained along, where one is.
    """

    support: Features
    support_labels: Tensor
    query: Features
    query_labels: Tensor
    n: int
    text: Tensor | None = None
    base_text: Tensor | None = None
    base_classes: Tensor | None = None
    classify: Callable[[Nodes], Tensor] | None = None


class Method(nn.Module, ABC):
    """A few-shot method: encodes each video alone, learns an episode's classes, scores queries.

    Nothing is kept on the module between calls: what ``support`` learned is in the state that it
    returns.
    """

    Options: ClassVar[type]
    scoring: ClassVar[frozenset[str]] = frozenset()
    """Options that change nothing of what ``encode`` gives, only how it is scored."""
    uses_text: bool = False
    prompts: ClassVar[str] = "clip-fsar"
    """Its paper's templates for class names, by their name in ``text.TEMPLATES``."""
    transductive: bool = False
    temperature: float = 1.0
    """Probabilities are softmax(logits / temperature) until taught clips say better."""

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options

    @abstractmethod
    def requests(self, card: Card) -> tuple[Request, ...]:
        """What the method asks of this backbone."""

    @abstractmethod
    def encode(self, features: Features) -> Nodes:
        """What is kept of each video, from that video alone: (… t …) → (… …)."""

    @abstractmethod
    def support(self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None) -> Any:
        """What the method needs to know of the classes of each episode.

        Args:
            nodes: Of the support videos, (b s …), in any order.
            labels: (b s) int64 in 0 … n−1; shots may be uneven.
            n: Number of classes.
            text: (b n d) embeddings of the class names, for methods that use text.

        Returns:
            A small dataclass of tensors with b in front.
        """

    @abstractmethod
    def score(self, state: Any, nodes: Nodes) -> Tensor:
        """Logits (b q n) of the query videos' nodes (b q …): bigger is nearer."""

    def score_and_pairs(self, state: Any, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Logits (b q n) as ``score`` gives them, and what they average where they do.

        Returns:
            The logits, and the similarity (b q s) with each support video: what ``score`` says
            where each is a class of its own. None where scores are no averages of that.
        """
        return self.score(state, nodes), None

    def losses(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """What is minimised in training, by name; their sum, weighted by the recipe, is the loss.

        All videos are encoded together: batch norm sees one batch, not one of the support and
        another of the queries. What compares videos is computed in float32, inside autocast too.
        """
        nodes = self.encode(join(batch.support, batch.query))  # (b s+q …)
        labels = torch.cat([batch.support_labels, batch.query_labels], 1)  # (b s+q)
        s = batch.support_labels.shape[1]
        with torch.autocast(labels.device.type, enabled=False):
            nodes = {name: value.to(promoted(value)) for name, value in nodes.items()}
            support = {name: value[:, :s] for name, value in nodes.items()}
            query = {name: value[:, s:] for name, value in nodes.items()}
            losses = self.losses_of_nodes(support, query, batch)
            if batch.classify is not None and batch.base_classes is not None:
                base = batch.base_classes.gather(1, labels)  # (b s+q)
                losses["base_class"] = cross_entropy(batch.classify(nodes), base)
        return losses

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """The losses of an encoded batch, each a mean: the cross-entropy of the scores.

        Args:
            support: Nodes (b s …), at least float32.
            query: Nodes (b q …).
            batch: That they are of.
        """
        state = self.support(support, batch.support_labels, batch.n, text=batch.text)
        logits = self.score(state, query)  # (b q n)
        return {"cross_entropy": cross_entropy(logits, batch.query_labels)}


def join(first: Features, second: Features) -> Features:
    """The videos of both, behind each other: (b s …), (b q …) → (b s+q …)."""
    return {request: torch.cat([value, second[request]], 1) for request, value in first.items()}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over all videos: (b v N), (b v) → ()."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def promoted(value: Tensor) -> torch.dtype:
    """Its type, at least float32."""
    return torch.promote_types(value.dtype, torch.float32)


def one_hot_mean(labels: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Weights (b n s) that average the videos of each class, whatever its number of shots.

    Args:
        labels: (b s) int64 in 0 … n−1, each class at least once.
        n: Number of classes.
        dtype: Of the result.
    """
    hot = nn.functional.one_hot(labels, n).to(dtype).transpose(-1, -2)  # (b n s)
    return hot / hot.sum(-1, keepdim=True)
