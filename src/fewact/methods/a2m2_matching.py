"""Similarity of two videos' nodes by any registered aligner: cost, node weights, alignment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, field_validator
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.align import Alignment
from fewact.core.errors import OptionError, UnknownNameError, did_you_mean
from fewact.methods.base import FrameMatch, plan_of
from fewact.methods.common.options import Only, OptionModel
from fewact.moments import window_times, windows

Weights = Literal["cross", "self", "uniform"]

MEAN_NODES = ("cosine", "euclidean")
"""Comparisons of the mean nodes, which align nothing."""

WEIGHT_OFFSET = 1e-3
"""Added to the weight of each node, so that none vanishes."""

SMALLEST_NORMS = 1e-8
"""Smallest denominator of a cosine: a zero node has cosine 0 with all nodes."""


def _add_names(schema: dict[str, Any]) -> None:
    schema["enum"] = [*align.names(), *MEAN_NODES]


def _takes_weights(name: str) -> bool:
    return name not in MEAN_NODES and align.card(name).weights


def _names_with_weights() -> str:
    names = " or ".join(name for name in align.names() if align.card(name).weights)
    return f"alignment.name {names}"


def _has_times(name: str) -> bool:
    return name not in MEAN_NODES and not align.card(name).paired


class AlignmentOptions(OptionModel):
    """How the nodes of two videos are compared.

    Args:
        name: Aligner of ``fewact.align``, registered ones included; or ``cosine`` or ``euclidean``
            of the mean nodes, which aligns nothing.
        weights: Weights of the nodes, for aligners that take weights: ``cross``, the similarity of
            a node to the other video; ``self``, to its own video; ``uniform``.
        time_weight: Weight β of time in the cost 1 − cos + β·|t_i − t_j|, with t in [0, 1].
    """

    name: Annotated[str, Field(json_schema_extra=_add_names)] = "emd"
    weights: Annotated[
        Weights, Only("alignment.name", when=_takes_weights, needs=_names_with_weights)
    ] = "cross"
    time_weight: Annotated[
        NonNegativeFloat,
        Only(
            "alignment.name", when=_has_times, needs="an aligner of nodes at different times", off=0
        ),
    ] = 0.5

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        comparisons = (*align.names(), *MEAN_NODES)
        if name not in comparisons:
            raise UnknownNameError(
                "unknown aligner",
                where='option "alignment.name"',
                got=repr(name),
                expected=", ".join(comparisons),
                hint=did_you_mean(name, comparisons),
            )
        return name


@dataclass(frozen=True)
class WeightedCosts:
    """Costs and weights of the nodes of each query with each set of support nodes.

    Args:
        cost: (b q p m m').
        a: (b q p m) weights of the query's nodes, of total m.
        b: (b q p m') weights of the support's nodes, of total m.
    """

    cost: Tensor
    a: Tensor
    b: Tensor


@dataclass(frozen=True)
class BankVideos:
    """Videos of each episode as rows of a bank of nodes, which are not copied.

    Args:
        bank: (v m D).
        norms: (v m) norms of the nodes.
        rows: (b s) int64.
    """

    bank: Tensor
    norms: Tensor
    rows: Tensor


@dataclass(frozen=True)
class NodeComparison:
    """Comparison of the nodes of two videos by the configured aligner.

    An ordered aligner is applied to the windows of each length separately, and the result is
    averaged over the lengths.

    Args:
        alignment: Options of the comparison.
        frames: Number of frames of a video.
        lengths: Window lengths in frames.
        grid: Rows and columns of the spatial grid of nodes.
    """

    alignment: AlignmentOptions
    frames: int
    lengths: tuple[int, ...]
    grid: int

    @property
    def aligns(self) -> bool:
        """Whether nodes are aligned, not their means compared."""
        return self.alignment.name not in MEAN_NODES

    @property
    def reads_banks(self) -> bool:
        """Whether all that is needed are products of nodes."""
        return self.aligns and self._weights != "self"

    @property
    def _weights(self) -> Weights:
        """Rule for the weights of the nodes; uniform for an aligner without weights."""
        return self.alignment.weights if align.card(self.alignment.name).weights else "uniform"

    def similarity(self, query: Tensor, support: Tensor, present: Tensor) -> Tensor:
        """Return the similarity of each query with each set of support nodes; 1 for equal nodes.

        Args:
            query: (b q m D).
            support: (b p m' D).
            present: (b p m'), 1 for a node and 0 for padding at the end.

        Returns:
            (b q p).
        """
        if not self.aligns:
            return _similarity_of_means(query, support, present, self.alignment.name)
        time_cost = self._time_cost(query, support.shape[-2])
        costs = problems(query, support, present, weights=self._weights, time_cost=time_cost)
        return self._aligned(costs, present)

    def of_banks(self, query: BankVideos, support: BankVideos) -> Tensor:
        """Return ``similarity`` (b q p) of videos in banks, without copies of their nodes."""
        products = align.block_products(query.bank, query.rows, support.bank, support.rows)
        present = products.new_ones(*support.rows.shape, products.shape[-1])
        time_cost = self._time_cost(query.bank, support.bank.shape[1])
        cost = _cost(products, query.norms[query.rows], support.norms[support.rows], time_cost)
        costs = _weighted(cost, *_weights(products, present, self._weights), present)
        return self._aligned(costs, present)

    def _aligned(self, costs: WeightedCosts, present: Tensor) -> Tensor:
        """Return the similarities (b q p) of problems."""
        name = self.alignment.name
        card = align.card(name)
        if card.ordered:
            values = [
                align.align(name, part.cost, part.a, part.b, plan=False).value
                for part in self._by_length(costs)
            ]
            return 1 - torch.stack(values).mean(0)
        if not card.weights and bool((present == 0).any()):
            return 1 - _without_padding(name, costs.cost, present)
        return 1 - align.align(name, costs.cost, costs.a, costs.b, plan=False).value

    def match(self, query: Tensor, support: Tensor) -> Alignment:
        """Align the nodes of two videos as ``similarity`` does, (m D) and (m' D).

        Returns:
            ``value`` (): mean cost of a matched pair; ``plan`` (m m'), scaled to the sum m.

        Raises:
            OptionError: The comparison aligns nothing.
        """
        name = self.alignment.name
        if not self.aligns:
            raise OptionError(
                "compares the mean nodes and matches no pairs",
                where='option "alignment.name"',
                got=name,
                expected=", ".join(align.names()),
            )
        costs = problems(
            query[None, None],
            support[None, None],
            support.new_ones(1, 1, len(support)),
            weights=self._weights,
            time_cost=self._time_cost(query, len(support)),
        )
        parts = list(self._by_length(costs)) if align.card(name).ordered else [costs]
        alignments = [
            align.align(name, *(x[0, 0, 0] for x in (part.cost, part.a, part.b))) for part in parts
        ]
        plans = [alignment.plan for alignment in alignments if alignment.plan is not None]
        plan = torch.block_diag(*plans) if len(plans) > 1 else plans[0]
        value = torch.stack([alignment.value for alignment in alignments]).mean(0)
        return Alignment(value, plan * (len(query) / plan.sum()))

    def match_windows(self, query: Tensor, support: Tensor) -> FrameMatch | None:
        """Return how the windows of two videos match, from their nodes (m D); cells do not."""
        if not self.aligns or self.grid > 1:
            return None
        plan = self.match(query, support).plan
        if plan is None:
            return None
        spans = tuple(
            (begin / self.frames, end / self.frames)
            for begin, end in windows(self.frames, self.lengths)
        )
        return FrameMatch("windows of frames", spans, spans, plan_of(plan))

    def _by_length(self, costs: WeightedCosts) -> Iterator[WeightedCosts]:
        """Yield the problems of each window length alone, with weights of its number of nodes."""
        end = 0
        for length in self.lengths:
            size = -(-self.frames // length)
            nodes, end = slice(end, end + size), end + size
            a, b = costs.a[..., nodes], costs.b[..., nodes]
            yield WeightedCosts(
                costs.cost[..., nodes, nodes],
                size * a / a.sum(-1, keepdim=True),
                size * b / b.sum(-1, keepdim=True),
            )

    def _time_cost(self, like: Tensor, columns: int) -> Tensor | None:
        """Return β·|t_i − t_j| (m m'), None for β = 0; a union of k shots has each time k times."""
        weight = self.alignment.time_weight
        if weight == 0:
            return None
        times = window_times(
            self.frames, self.lengths, self.grid, dtype=like.dtype, device=like.device
        )
        apart = times[:, None] - times.repeat(columns // len(times))[None, :]
        return weight * apart.abs()


def problems(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    *,
    weights: Weights,
    time_cost: Tensor | None = None,
) -> WeightedCosts:
    """Compute cost and weights of the A² module, from one matrix product per episode.

    Args:
        query: (b q m D).
        support: (b p m' D).
        present: (b p m'), 1 for a node and 0 for padding, which gets no weight.
        weights: ``cross``: a_i = ReLU⟨x_i, mean_j y_j⟩ + 10⁻³ and vice versa; ``self``: with the
            mean of the node's video; ``uniform``.
        time_cost: (m m'), added to 1 − cos.
    """
    (q, m), (p, u) = query.shape[1:3], support.shape[1:3]
    products = query.flatten(1, 2) @ support.flatten(1, 2).transpose(-1, -2)  # (b q·m p·m')
    products = products.unflatten(-1, (p, u)).unflatten(1, (q, m)).transpose(2, 3)  # (b q p m m')
    cost = _cost(products, vector_norm(query, dim=-1), vector_norm(support, dim=-1), time_cost)
    if weights == "self":
        fraction = present / present.sum(-1, keepdim=True)  # (b p m')
        a = (query @ query.mean(-2, keepdim=True).transpose(-1, -2)).transpose(-1, -2)
        mean = torch.einsum("bpu,bpud->bpd", fraction, support)
        b = torch.einsum("bpud,bpd->bpu", support, mean)[:, None]
        return _weighted(cost, a, b, present)
    return _weighted(cost, *_weights(products, present, weights), present)


def _cost(
    products: Tensor, query_norms: Tensor, support_norms: Tensor, time_cost: Tensor | None
) -> Tensor:
    """Return 1 − cos, plus the time cost: (b q p m m'), (b q m), (b p m') → (b q p m m')."""
    norms = query_norms[:, :, None, :, None] * support_norms[:, None, :, None, :]
    cost = 1 - products / norms.clamp_min(SMALLEST_NORMS)
    return cost if time_cost is None else cost + time_cost


def _weights(products: Tensor, present: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Return the weights that products decide, before ReLU: (b q p m) and (b q p m')."""
    if weights == "uniform":
        ones = products.new_ones(1)
        return ones, ones
    fraction = present / present.sum(-1, keepdim=True)  # (b p m')
    a = (products @ fraction[:, None, :, :, None]).squeeze(-1)  # ⟨x_i, mean_j y_j⟩
    return a, products.mean(-2)  # ⟨y_j, mean_i x_i⟩


def _weighted(cost: Tensor, a: Tensor, b: Tensor, present: Tensor) -> WeightedCosts:
    """Return the problems with weights of total m, and none for padding."""
    m, u = cost.shape[-2:]
    a = (functional.relu(a) + WEIGHT_OFFSET).expand(cost.shape[:-1])
    b = ((functional.relu(b) + WEIGHT_OFFSET) * present[:, None]).expand(*cost.shape[:-2], u)
    return WeightedCosts(cost, m * a / a.sum(-1, keepdim=True), m * b / b.sum(-1, keepdim=True))


def _similarity_of_means(query: Tensor, support: Tensor, present: Tensor, name: str) -> Tensor:
    """Compare the mean nodes: (b q m D), (b p m' D), (b p m') → (b q p)."""
    fraction = present / present.sum(-1, keepdim=True)
    first, second = query.mean(-2), torch.einsum("bpu,bpud->bpd", fraction, support)
    if name == "euclidean":
        return 1 - (first[:, :, None] - second[:, None]).square().sum(-1)
    norms = vector_norm(first, dim=-1)[:, :, None] * vector_norm(second, dim=-1)[:, None]
    cosine: Tensor = first @ second.mT / norms.clamp_min(SMALLEST_NORMS)
    return cosine


def _without_padding(name: str, cost: Tensor, present: Tensor) -> Tensor:
    """Align sets of the same number of nodes together, without padding: (b q p m m') → (b q p)."""
    number = present.sum(-1).long()  # (b p)
    value = cost.new_zeros(cost.shape[:3]).movedim(1, 2)  # (b p q)
    by_set = cost.movedim(1, 2)  # (b p q m m')
    for size in number.unique().tolist():
        of_size = number == size
        aligned = align.align(name, by_set[of_size][..., :size], plan=False).value
        value = value.masked_scatter(of_size[..., None], aligned)
    return value.movedim(2, 1)
