"""The contract of few-shot methods."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from fewact.core.options import NoOptions
from fewact.features.request import Features, Request
from fewact.networks.card import Card

Nodes = Mapping[str, Tensor]
"""Encoded videos: named tensors, all with the same leading axes."""


@dataclass(frozen=True)
class TrainingBatch:
    """Training episodes, as ``losses`` takes them.

    Args:
        support: Features of the support videos (b s …).
        support_labels: (b s) int64, 0 … n−1.
        query: Features of the query videos (b q …).
        query_labels: (b q) int64, 0 … n−1.
        n: Number of classes of an episode.
        text: Embeddings of the support classes' names (b n d), for methods that use text. The text
            of a query's class is ``text`` at its label: ``losses`` may read it, ``score`` never.
        base_text: Embeddings of the names of all training classes (N d).
        base_classes: (b n) int64, index of each class of an episode among the training classes.
        classify: Function from nodes of videos (b v …) to logits (b v m N) of the training classes,
            where a classification head is trained with the method, on its ``class_vectors``.
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


@dataclass(frozen=True)
class FrameMatch:
    """How the parts of two videos along time were matched.

    Args:
        compares: What was compared.
        query: Begin and end of each of the query's m parts, as fractions of its duration.
        support: Begin and end of each of the support video's m' parts.
        plan: Weight of each pair (m m'), of total 1.
    """

    compares: str
    query: tuple[tuple[float, float], ...]
    support: tuple[tuple[float, float], ...]
    plan: tuple[tuple[float, ...], ...]


BankScorer = Callable[[Tensor, Tensor, int, Tensor], Tensor]
"""Support rows (b s), labels (b s), number of classes n, query rows (b q) → logits (b q n)."""


MOST_PAIRS = 2**25
"""Most pairs of videos whose similarities are computed once for all episodes."""

OptionsT = TypeVar("OptionsT", default=Any)
StateT = TypeVar("StateT", default=Any)


class Method(nn.Module, ABC, Generic[OptionsT, StateT]):
    """A few-shot method: encodes each video alone, summarises the support, scores queries.

    ``Method[Options, State]`` names the dataclass of the options and the dataclass that ``support``
    returns. Nothing is kept on the module between calls: what depends on an episode is in its
    state. There is at least one episode, and one query in each.
    """

    Options: ClassVar[type] = NoOptions
    options: OptionsT
    scoring: ClassVar[frozenset[str]] = frozenset()
    """Names of the options that change the scores but not what ``encode`` returns."""
    paper: ClassVar[str] = ""
    """Paper or other source, in a few words, for tables."""
    packaged_weights: ClassVar[str] = ""
    """SHA-256 of weights that come with the package, and are no parameters of the module."""
    uses_text: bool = False
    """Whether the names of the classes are used; see ``TextMethod``."""
    transductive: bool = False
    """Whether the logits of a query depend on the other queries of its episode."""
    averages_pairs: bool = False
    """Whether class scores are means of similarities of pairs, see ``score_and_pairs``."""
    rejects: bool = False
    """Whether ``known`` says how well a query is known."""
    trained: bool = True
    """False while learnable parts have random initial weights: scores mean nothing until then."""
    validation: float | None = None
    """Accuracy in per cent on the validation episodes that selected the weights, if any did."""
    temperature: float = 1.0
    """Probabilities are softmax(logits / temperature) unless a calibration on clips replaces it."""
    loss_temperature: float = 1.0
    """Training fits the logits to this: the losses take the cross-entropy of logits / it."""

    def __init__(self, options: OptionsT) -> None:
        super().__init__()
        self.options = options

    @classmethod
    def fitting(cls, options: OptionsT, card: Card) -> dict[str, Any]:
        """Return options that follow from a backbone, by name; default: none.

        Args:
            options: Options as they were set, without these.
            card: Card of the backbone.
        """
        return {}

    @abstractmethod
    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that the method needs of a backbone."""

    def training_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features that ``losses`` needs; default: ``requests``."""
        return self.requests(card)

    def explaining_requests(self, card: Card) -> tuple[Request, ...]:
        """Return the features of a video that ``match_cells`` and ``attend_frames`` read."""
        return ()

    @abstractmethod
    def encode(self, features: Features) -> Nodes:
        """Return the nodes of each video, computed from that video alone: (… t …) → (… …)."""

    def class_vectors(self, nodes: Nodes) -> Tensor:
        """Return the vectors that a linear head classifies among all training classes.

        Args:
            nodes: Nodes of videos (b v …).

        Returns:
            (b v m D), classified one by one; default: the mean node of each name, concatenated, so
            that m = 1.
        """
        nodes_by_video = [
            x.reshape(*x.shape[:2], -1, x.shape[-1] if x.ndim > 2 else 1) for x in nodes.values()
        ]
        return torch.cat([x.float().mean(2, keepdim=True) for x in nodes_by_video], -1)

    @abstractmethod
    def support(self, nodes: Nodes, labels: Tensor, n: int) -> StateT:
        """Return what ``score`` needs to know of the classes of each episode.

        Args:
            nodes: Nodes of the support videos (b s …), in any order.
            labels: (b s) int64 in 0 … n−1; classes may have different numbers of shots.
            n: Number of classes.

        Returns:
            A small dataclass of tensors that begin with b.
        """

    def summary(self, state: StateT) -> dict[str, Tensor]:
        """Return small tensors of a state that take long to compute; by default none.

        A saved model keeps them: where ``support`` changes, so must the version of its format.
        """
        return {}

    def restored_support(
        self, nodes: Nodes, labels: Tensor, n: int, summary: Mapping[str, Tensor]
    ) -> StateT:
        """Return what ``support`` does, by the summary of its state; the default does not use it.

        Args:
            nodes: Nodes of the support videos (b s …).
            labels: (b s).
            n: Number of classes.
            summary: Tensors of ``summary``, on any device.
        """
        return self.support(nodes, labels, n)

    @abstractmethod
    def score(self, state: StateT, nodes: Nodes) -> Tensor:
        """Return logits (b q n) of the query videos' nodes (b q …): bigger is nearer."""

    def known(self, state: StateT, nodes: Nodes) -> Tensor:
        """Return how well the queries (b q …) are known, if the method ``rejects``.

        Returns:
            (b q), bigger for queries of the episode's classes.
        """
        raise NotImplementedError

    def score_and_pairs(self, state: StateT, nodes: Nodes) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and the pair similarities that they average if ``averages_pairs``.

        Returns:
            Logits (b q n) as ``score`` returns them, and similarities (b q s) of each query with
            each support video, or None.
        """
        return self.score(state, nodes), None

    def bank_scorer(self, support: Nodes, query: Nodes, comparisons: int = 0) -> BankScorer | None:
        """Return a function that scores episodes by the rows of their videos, without copies.

        Its logits are those of ``support`` and ``score``, but for the rounding of sums.

        Args:
            support: Nodes (v …) of all support videos.
            query: Nodes (w …) of all queries.
            comparisons: Number of comparisons of a query with a support video in all episodes: what
                pairs of videos need may be computed once where they are fewer, see ``PairTable``.

        Returns:
            The function; None where the method needs the nodes of an episode themselves. The
            default scores by tables of ``tabulated``, if the method has these.
        """
        if type(self).tabulated is Method.tabulated:
            return None
        count, others = (len(next(iter(nodes.values()))) for nodes in (support, query))
        same = all(value.equal(query[name]) for name, value in support.items())
        if not count * (count if same else count + others) <= min(comparisons, MOST_PAIRS):
            return None
        bank = {n: v if same else torch.cat([v, query[n]]) for n, v in support.items()}
        tables = self.tabulated(bank, count)
        if tables is None:
            return None
        looked_up, numbers = tables

        def score(shown: Tensor, labels: Tensor, n: int, queries: Tensor) -> Tensor:
            state = looked_up.support(rows(numbers, shown), labels, n)
            return looked_up.score(state, rows(numbers, queries if same else queries + count))

        return score

    def tabulated(
        self, nodes: dict[str, Tensor], columns: int | None = None
    ) -> "tuple[Method, dict[str, Tensor]] | None":
        """Return a method of the same scores that looks up similarities, and nodes for it.

        Where the same few videos are compared several times, as support and as queries, each pair
        is compared once.

        Args:
            nodes: Nodes (v …) of the videos.
            columns: Number of videos, the first ones, that others are compared with; None for all.

        Returns:
            The method; and its nodes of these videos (v …), of which any rows can be taken. None
            where it averages no similarities of pairs.
        """
        return None

    def pair_parts(self, state: StateT, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the pair similarities by name; empty where they are no sums.

        Parts that compare what is visible are called ``appearance``; the others compare what moves.

        Returns:
            (b q s) each; their sum is the second result of ``score_and_pairs``.
        """
        return {}

    def appearance_ratio(self, state: StateT, nodes: Nodes) -> Tensor | None:
        """Return how alike the support's videos look, over how much each query is like them.

        Returns:
            (b q), from 1 on; None where it is not known.
        """
        return None

    def score_parts(self, state: StateT, nodes: Nodes) -> dict[str, Tensor]:
        """Return the parts of the logits (b q n) by name, as ``pair_parts``."""
        return {}

    def match_frames(self, query: Nodes, support: Nodes) -> FrameMatch | None:
        """Return how parts of two videos along time match, each video as nodes without b and v.

        Returns:
            The match; None where nothing is matched.
        """
        return None

    def match_cells(
        self, query: Nodes, support: Nodes, features: Features, state: StateT
    ) -> dict[str, Tensor]:
        """Return what each cell of the query's frames adds to the similarity of two videos.

        Args:
            query: Nodes of the query, without leading axes.
            support: Nodes of the support video.
            features: What ``explaining_requests`` requests (t …) of the query.
            state: State of the support, of one episode.

        Returns:
            By what is compared, (t g g) each: t frames, evenly spread over the clip, of g × g
            cells; above 0 where the videos agree. Empty where no cells are compared.
        """
        return {}

    def attend_frames(self, features: Features) -> FrameMatch | None:
        """Return the attention weights of a video's frames, as a match of the video with itself.

        Args:
            features: What ``explaining_requests`` requests (t …) of the video.

        Returns:
            The match: a row is the frame that attends, a column the frame that it attends to; the
            mean over the heads. None without attention.
        """
        return None

    def findings(self, state: StateT) -> tuple[str, ...]:
        """Return sentences on what distinguishes the classes of one episode; by default none."""
        return ()

    def losses(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Return the training losses by name; the recipe weighs and adds them.

        Support and query videos are encoded together, so that batch norm sees a single batch.
        Videos are compared in float32, inside autocast too.
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
                losses["base_class"] = class_cross_entropy(batch.classify(nodes), base)
        return losses

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """Return the losses of an encoded batch, each a mean; default: cross-entropy of the scores.

        Args:
            support: Nodes of the support videos (b s …), at least float32.
            query: Nodes of the query videos (b q …).
            batch: Batch that the nodes were encoded from.
        """
        state = support_state(self, support, batch.support_labels, batch.n, batch.text)
        logits = self.score(state, query) / self.loss_temperature  # (b q n)
        return {"cross_entropy": cross_entropy(logits, batch.query_labels)}


class TextMethod(Method[OptionsT, StateT]):
    """A few-shot method that uses the names of the classes.

    ``uses_text`` may be False for some options; such an instance needs no text.
    """

    uses_text: bool = True
    prompts: ClassVar[str] = "clip-fsar"
    """Name in ``text.TEMPLATES`` of the paper's templates for class names."""

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return support videos' nodes after all that needs only the text of their own class.

        An evaluation, where each video always has the same class, calls this once a video.
        ``support`` accepts both the nodes of ``encode`` and those of this; default: unchanged.

        Args:
            nodes: Nodes (v …) as ``encode`` returns them.
            text: Embeddings (v d) of the name of each video's class.
        """
        return nodes

    @abstractmethod
    def support(self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None) -> StateT:
        """Return what ``score`` needs to know of the classes of each episode.

        Args:
            nodes: Nodes of the support videos (b s …), in any order.
            labels: (b s) int64 in 0 … n−1; classes may have different numbers of shots.
            n: Number of classes.
            text: Embeddings (b n d) of the class names.

        Returns:
            A small dataclass of tensors that begin with b.

        Raises:
            OptionError: The method uses text, and there is none.
            ShapeError: The embeddings have another length, or their number is not n.
        """


def support_state(
    method: Method[OptionsT, StateT], nodes: Nodes, labels: Tensor, n: int, text: Tensor | None
) -> StateT:
    """Return the state of a support; the text reaches methods that use text only."""
    if isinstance(method, TextMethod) and method.uses_text:
        state: StateT = method.support(nodes, labels, n, text)
        return state
    return method.support(nodes, labels, n)


def rows(nodes: Nodes, index: Any) -> dict[str, Tensor]:
    """Return the nodes of some videos: each tensor indexed alike."""
    return {name: value[index] for name, value in nodes.items()}


def join(first: Features, second: Features) -> Features:
    """Return the videos of both, one set after the other: (b s …), (b q …) → (b s+q …)."""
    return {request: torch.cat([value, second[request]], 1) for request, value in first.items()}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over all videos: (b v N), (b v) → ()."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def class_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over all vectors of all videos: (b v m N), (b v) → ()."""
    repeated = labels[..., None].expand(logits.shape[:-1])  # (b v m)
    return nn.functional.cross_entropy(logits.flatten(0, 2), repeated.flatten())


def promoted(value: Tensor) -> torch.dtype:
    """Return the data type of a tensor, promoted to float32 at least."""
    return torch.promote_types(value.dtype, torch.float32)


def one_hot_mean(labels: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    """Return weights (b n s) that average the videos of each class, for any numbers of shots.

    Args:
        labels: (b s) int64 in 0 … n−1, each class at least once.
        n: Number of classes.
        dtype: Data type of the weights.
    """
    b, s = labels.shape
    hot = torch.zeros(b, s, n, dtype=dtype, device=labels.device).scatter_(2, labels[..., None], 1)
    hot = hot.transpose(-1, -2)  # (b n s)
    return hot / hot.sum(-1, keepdim=True)


def equal_parts(count: int) -> tuple[tuple[float, float], ...]:
    """Return the begin and end of equal parts of a video, as fractions of its duration.

    >>> equal_parts(2)
    ((0.0, 0.5), (0.5, 1.0))
    """
    return tuple((i / count, (i + 1) / count) for i in range(count))


def frame_match(compares: str, plan: Tensor) -> FrameMatch:
    """Return how t frames match t' frames, or attend to them, by a plan (t t')."""
    query, support = map(equal_parts, plan.shape)
    return FrameMatch(compares, query, support, plan_of(plan))


def plan_of(plan: Tensor) -> tuple[tuple[float, ...], ...]:
    """Return a plan (m m') as numbers of total 1."""
    scaled = plan / plan.sum().clamp_min(1e-12)
    return tuple(tuple(row) for row in scaled.tolist())
