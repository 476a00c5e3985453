"""Methods over tensors, which may have learned parts: the contract, and what trains them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any, ClassVar, Generic, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from fewact.core.errors import OptionError
from fewact.core.options import NoOptions
from fewact.features.request import Request
from fewact.methods import base
from fewact.methods.base import OptionsT, StateT, one_hot_mean, rows
from fewact.methods.common.options import GIB
from fewact.networks.card import Card

__all__ = [
    "Features",
    "Nodes",
    "Rejects",
    "TextMethod",
    "TorchMethod",
    "TrainingBatch",
    "class_cross_entropy",
    "cross_entropy",
    "evaluating",
    "join",
    "limited_parameters",
    "one_hot_mean",
    "promoted",
    "rows",
    "support_state",
]

Nodes = Mapping[str, Tensor]
"""Encoded videos: named tensors, all with the same leading axes."""

Features = Mapping[Request, Tensor]
"""Features of videos by request: (… t d), (… t c h w) …, all with the same leading axes."""


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


@runtime_checkable
class Rejects(Protocol):
    """A method with a part that was trained to reject videos of other classes."""

    rejects: bool
    """Whether this instance has the part."""

    def known(self, state: Any, nodes: Nodes) -> Tensor:
        """Return how well queries (b q …) are known: (b q), bigger for the episode's classes."""


class TorchMethod(nn.Module, ABC, Generic[OptionsT, StateT]):
    """The contract of ``fewact.methods.base.Method`` for tensors, and the losses that train it.

    The optional protocols of ``fewact.methods.protocols`` are the same, with tensors.
    """

    Options: ClassVar[type] = NoOptions
    options: OptionsT
    scoring: ClassVar[frozenset[str]] = frozenset()
    """Names of the options that change the scores but not what ``encode`` returns."""
    paper: str = ""
    """Paper or other source, in a few words, for tables."""
    uses_text: bool = False
    """Whether the names of the classes are used; see ``TextMethod``."""
    transductive: bool = False
    """Whether the logits of a query depend on the other queries of its episode."""
    trained: bool = True
    """False while learnable parts have random initial weights: scores mean nothing until then."""
    packaged_weights: str = ""
    """SHA-256 of weights that come with the package, and are no parameters of the module."""
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
    def created(cls, options: OptionsT, *, of: str = "the method") -> Self:
        """Return a method whose parameters are float32, whatever torch's default data type is.

        Raises:
            OptionError: The options together need too much memory; ``of`` names their owner.
        """
        with limited_parameters(of):
            return cls(options).float()

    @classmethod
    def weight_shapes(cls, options: OptionsT) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a method's parameters and buffers; no memory is allocated."""
        with torch.device("meta"):
            return {name: tuple(value.shape) for name, value in cls(options).state_dict().items()}

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

    @abstractmethod
    def score(self, state: StateT, nodes: Nodes) -> Tensor:
        """Return logits (b q n) of the query videos' nodes (b q …): bigger is nearer."""

    def on_arrays(self) -> base.Method[OptionsT, StateT]:
        """Return the same method over arrays, for the classifier."""
        from fewact.lab.methods.adapters import on_arrays

        return on_arrays(self)

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


class TextMethod(TorchMethod[OptionsT, StateT]):
    """A few-shot method that uses the names of the classes.

    ``uses_text`` may be False for some options; such an instance needs no text.
    """

    uses_text: bool = True
    prompts: ClassVar[str] = "clip-fsar"
    """Name in ``text.TEMPLATES`` of the paper's templates for class names."""

    def with_text(self, nodes: Nodes, text: Tensor) -> Nodes:
        """Return support videos' nodes after all that needs only the text of their own class.

        An evaluation, where each video always has the same class, calls this once a video.
        ``support`` accepts the nodes of ``encode`` too. The default changes nothing.

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
    method: TorchMethod[OptionsT, StateT], nodes: Nodes, labels: Tensor, n: int, text: Tensor | None
) -> StateT:
    """Return the state of a support; the text reaches methods that use text only."""
    if isinstance(method, TextMethod) and method.uses_text:
        state: StateT = method.support(nodes, labels, n, text)
        return state
    return method.support(nodes, labels, n)


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


@contextmanager
def evaluating(method: nn.Module) -> Iterator[None]:
    """Put a method into evaluation mode inside of ``with``."""
    training = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(training)


MAX_PARAMETERS = 4 * GIB
"""Bytes that the parameters of a method may take."""


@contextmanager
def limited_parameters(of: str) -> Iterator[None]:
    """Refuse a method whose parameters take too much memory, before most of it is used."""
    thread, total = get_ident(), 0

    def count(module: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal total
        if value is not None and get_ident() == thread:
            total += value.numel() * value.element_size()
            if total > MAX_PARAMETERS:
                raise _too_large(of, f"more than {total / GIB:.1f} GiB of parameters")

    handles = (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    )
    try:
        yield
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise _too_large(of, "more memory than this computer has") from error
    finally:
        for handle in handles:
            handle.remove()


def _too_large(of: str, got: str) -> OptionError:
    return OptionError(
        "the options are too large together",
        where=of,
        got=got,
        expected=f"at most {MAX_PARAMETERS // GIB} GiB",
        hint="Reduce the widths, or the number of layers, heads or prototypes.",
    )
