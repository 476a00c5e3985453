"""Several methods in one: the weighted sum of their kernels. The support decides the weights.

Each method may read another modality of the same videos, such as depth, colour or a skeleton; see
``fewact.lab.evaluation.encode``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fewact.core.errors import OptionError
from fewact.features.request import Request
from fewact.lab.methods.base import Features, Nodes, TorchMethod
from fewact.methods.common.kernel import LIKELIHOOD_WEIGHT, likeliest_leave_one_out
from fewact.methods.common.options import options_dataclass
from fewact.methods.protocols import averages_pairs, score_and_pairs
from fewact.networks.card import Card

TEMPERATURES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Temperatures of the leave-one-out classification, in mean squared distances between support
videos; the likeliest counts."""

STEPS = 4
"""The weights that are compared are multiples of 1 / STEPS."""


@options_dataclass
class CombinedOptions:
    """Options of a combination.

    Args:
        weights: ``support``: leave-one-out classification of the support videos decides the weights
            of each episode; with one video per class they are equal. ``equal``: all are equal.
    """

    weights: Literal["support", "equal"] = "support"


@dataclass(frozen=True)
class CombinedState:
    """Support of a combination.

    Args:
        states: State of each part.
        weights: (b m) weight of each of m parts, of total 1.
        scales: (b m) mean squared distance between support videos by each part; 0 where they are
            all the same, so that the part is left out.
    """

    states: tuple[Any, ...]
    weights: Tensor
    scales: Tensor


class Combined(TorchMethod[CombinedOptions, CombinedState]):
    """Sum of the scores of several methods that average pair similarities.

    The kernel is Σ_m w_m k_m / s_m. Here k_m(i, j) is the similarity of two videos by part m, and
    s_m is the mean of (k_m(i, i) + k_m(j, j)) / 2 − k_m(i, j) over all pairs of support videos. The
    weights are the mean of all w of total 1 on a grid, each weighted by the
    likelihood of the support's labels under leave-one-out classification with this w.

    Args:
        parts: Methods, in the order of their modalities.
        options: Options of the combination.

    Raises:
        OptionError: There are fewer than two methods, or one does not average pair similarities.
    """

    Options = CombinedOptions
    paper = "ours"
    scoring = frozenset({"weights"})

    def __init__(
        self, parts: Sequence[TorchMethod], options: CombinedOptions | None = None
    ) -> None:
        super().__init__(options or CombinedOptions())
        if len(parts) < 2:
            raise OptionError(
                "too few methods to combine", got=str(len(parts)), expected="at least 2"
            )
        for part in parts:
            if part.uses_text or not averages_pairs(part):
                raise OptionError(
                    "cannot be combined",
                    where=type(part).__name__,
                    got="uses class names"
                    if part.uses_text
                    else "averages no similarities of pairs",
                    expected="a method that averages similarities of pairs, such as fusion",
                    hint="Where the method has the option, choose shot_aggregation=mean.",
                )
        self.parts = nn.ModuleList(parts)
        self.transductive = any(part.transductive for part in parts)
        self.trained = all(part.trained for part in parts)

    @property
    def methods(self) -> tuple[TorchMethod, ...]:
        return tuple(part for part in self.parts if isinstance(part, TorchMethod))

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Return the requests of all parts, where all read the same modality."""
        requests = (request for part in self.methods for request in part.requests(card))
        return tuple(dict.fromkeys(requests))

    def encode(self, features: Features) -> Nodes:
        return combined_nodes([part.encode(features) for part in self.methods])

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> CombinedState:
        """Return the states of the parts, and their weights."""
        states, kernels = [], []
        for part, its_nodes in zip(self.methods, self._nodes(nodes), strict=True):
            state = part.support(its_nodes, labels, n)
            pairs = score_and_pairs(part, state, its_nodes)[1]
            if pairs is None:
                raise TypeError(f"{type(part).__name__}.score_and_pairs returned no similarities")
            states.append(state)
            kernels.append(pairs)
        kernel = torch.stack(kernels, 1)  # (b m s s)
        scales = mean_squared_distance(kernel)
        if self.options.weights == "equal":
            weights = torch.full_like(scales, 1 / len(states))
        else:
            weights = weights_of_support(scaled(kernel, scales[..., None, None]), labels, n)
        return CombinedState(tuple(states), weights, scales)

    def score(self, state: CombinedState, nodes: Nodes) -> Tensor:
        nodes_by_part = self._nodes(nodes)
        logits = torch.stack(
            [
                part.score(its_state, its_nodes)
                for part, its_state, its_nodes in zip(
                    self.methods, state.states, nodes_by_part, strict=True
                )
            ],
            1,
        )  # (b m q n)
        weights = state.weights[..., None, None]
        return (weights * scaled(logits, state.scales[..., None, None])).sum(1)

    def _nodes(self, nodes: Nodes) -> list[dict[str, Tensor]]:
        return [
            {
                name.removeprefix(f"{i}."): value
                for name, value in nodes.items()
                if name.startswith(f"{i}.")
            }
            for i in range(len(self.parts))
        ]


def combined_nodes(nodes: Sequence[Nodes]) -> dict[str, Tensor]:
    """Return the nodes of all parts by names that begin with the number of the part."""
    return {
        f"{i}.{name}": value
        for i, nodes_of_part in enumerate(nodes)
        for name, value in nodes_of_part.items()
    }


def mean_squared_distance(kernel: Tensor) -> Tensor:
    """Return half the mean squared distance between videos: (… s s) → (…); 0 where all are equal.

    >>> mean_squared_distance(torch.tensor([[2.0, 1.0], [1.0, 4.0]]))
    tensor(2.)
    """
    s = kernel.shape[-1]
    squares = kernel.diagonal(dim1=-2, dim2=-1)
    total = s * squares.sum(-1) - kernel.sum((-2, -1))
    return (total / (s * (s - 1))).clamp_min(0)


def scaled(values: Tensor, scales: Tensor) -> Tensor:
    """Return values over their scales, and 0 where a scale is 0 but for rounding."""
    tiny = torch.finfo(scales.dtype).eps
    return torch.where(scales > tiny, values / scales.clamp_min(tiny), 0.0)


def weights_of_support(kernels: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the weights of kernels by leave-one-out classification of the support.

    Args:
        kernels: (b m s s) similarities, scaled alike.
        labels: (b s).
        n: Number of classes.

    Returns:
        (b m), of total 1; equal where no class has two videos.
    """
    grid = torch.tensor(list(simplex(kernels.shape[1], STEPS))).to(kernels) / STEPS  # (g m)
    likelihood = torch.stack(
        [
            likeliest_leave_one_out(mixed, labels, n, TEMPERATURES)
            for mixed in torch.einsum("gm,bmij->gbij", grid, kernels)
        ],
        -1,
    )  # (b g)
    return (LIKELIHOOD_WEIGHT * likelihood).softmax(-1) @ grid


def simplex(parts: int, total: int) -> Iterator[tuple[int, ...]]:
    """Yield all tuples of non-negative integers of a total.

    >>> list(simplex(2, 2))
    [(0, 2), (1, 1), (2, 0)]
    """
    for bars in combinations(range(total + parts - 1), parts - 1):
        ends = (-1, *bars, total + parts - 1)
        yield tuple(b - a - 1 for a, b in pairwise(ends))
