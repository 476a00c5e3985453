"""Similarity of two videos' nodes by any registered aligner: cost, node weights, alignment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.align import Alignment
from fewact.core.errors import OptionError

Weights = Literal["cross", "self", "uniform"]

MEAN_NODES = ("cosine", "euclidean")
"""Comparisons of the mean nodes, which align nothing."""

WEIGHT_OFFSET = 1e-3
"""Added to the weight of each node, so that none vanishes."""

SMALLEST_NORMS = 1e-8
"""Smallest denominator of a cosine: a zero node has cosine 0 with all nodes."""


@dataclass(frozen=True)
class Problems:
    """Transport problems of each query with each set of support nodes.

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


def problems(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    *,
    weights: Weights,
    time_cost: Tensor | None = None,
) -> Problems:
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


def _weighted(cost: Tensor, a: Tensor, b: Tensor, present: Tensor) -> Problems:
    """Return the problems with weights of total m, and none for padding."""
    m, u = cost.shape[-2:]
    a = (functional.relu(a) + WEIGHT_OFFSET).expand(cost.shape[:-1])
    b = ((functional.relu(b) + WEIGHT_OFFSET) * present[:, None]).expand(*cost.shape[:-2], u)
    return Problems(cost, m * a / a.sum(-1, keepdim=True), m * b / b.sum(-1, keepdim=True))


def similarity(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    name: str,
    *,
    weights: Weights,
    scales: Sequence[int],
    time_cost: Tensor | None = None,
) -> Tensor:
    """Return the similarity of each query with each set of support nodes; 1 for equal nodes.

    Args:
        query: (b q m D).
        support: (b p m' D).
        present: (b p m'), 1 for a node and 0 for padding at the end.
        name: Aligner, or one of ``MEAN_NODES``. An ordered aligner is applied to each scale
            separately, and the result is averaged over the scales.
        weights: Rule for the node weights of an aligner with weights.
        scales: Number of nodes of each scale, in order, of total m.
        time_cost: (m m'), added to 1 − cos.

    Returns:
        (b q p).
    """
    if name in MEAN_NODES:
        return _similarity_of_means(query, support, present, name)
    card = align.card(name)
    rule: Weights = weights if card.weights else "uniform"
    posed = problems(query, support, present, weights=rule, time_cost=time_cost)
    return _similarity(posed, present, name, scales)


def reads_banks(name: str, weights: Weights) -> bool:
    """Return whether ``bank_similarity`` has this comparison: all that needs only products."""
    return name not in MEAN_NODES and not (align.card(name).weights and weights == "self")


def bank_similarity(
    query: BankVideos,
    support: BankVideos,
    name: str,
    *,
    weights: Weights,
    scales: Sequence[int],
    time_cost: Tensor | None,
) -> Tensor:
    """Return ``similarity`` of videos in banks, without copies of their nodes.

    Args:
        query: Queries (b q) of a bank of nodes (v m D).
        support: Support videos (b p) of a bank of nodes (w m' D).
        name: Aligner, as for ``similarity``.
        weights: ``cross`` or ``uniform``.
        scales: As for ``similarity``.
        time_cost: As for ``similarity``.

    Returns:
        (b q p).
    """
    products = align.block_products(query.bank, query.rows, support.bank, support.rows)
    present = products.new_ones(*support.rows.shape, products.shape[-1])
    cost = _cost(products, query.norms[query.rows], support.norms[support.rows], time_cost)
    rule: Weights = weights if align.card(name).weights else "uniform"
    posed = _weighted(cost, *_weights(products, present, rule), present)
    return _similarity(posed, present, name, scales)


def _similarity(posed: Problems, present: Tensor, name: str, scales: Sequence[int]) -> Tensor:
    """Return the similarities (b q p) of problems."""
    card = align.card(name)
    if card.ordered:
        values = [
            align.align(name, part.cost, part.a, part.b, plan=False).value
            for part in _scales(posed, scales)
        ]
        return 1 - torch.stack(values).mean(0)
    if not card.weights and bool((present == 0).any()):
        return 1 - _without_padding(name, posed.cost, present)
    return 1 - align.align(name, posed.cost, posed.a, posed.b, plan=False).value


def match(
    query: Tensor,
    support: Tensor,
    name: str,
    *,
    weights: Weights,
    scales: Sequence[int],
    time_cost: Tensor | None = None,
) -> Alignment:
    """Align the nodes of two videos as ``similarity`` does, with the plan.

    Args:
        query: (m D).
        support: (m' D).
        name: Aligner.
        weights: As for ``similarity``.
        scales: As for ``similarity``.
        time_cost: As for ``similarity``.

    Returns:
        ``value`` (): mean cost of a matched pair; ``plan`` (m m'), scaled to the sum m.

    Raises:
        OptionError: The comparison aligns nothing.
    """
    if name in MEAN_NODES:
        raise OptionError(
            "compares the mean nodes and matches no pairs",
            where='option "alignment.name"',
            got=name,
            expected=", ".join(align.names()),
        )
    card = align.card(name)
    present = support.new_ones(1, 1, len(support))
    rule: Weights = weights if card.weights else "uniform"
    posed = problems(
        query[None, None], support[None, None], present, weights=rule, time_cost=time_cost
    )
    parts = list(_scales(posed, scales)) if card.ordered else [posed]
    found = [
        align.align(name, *(x[0, 0, 0] for x in (part.cost, part.a, part.b))) for part in parts
    ]
    plans = [one.plan for one in found if one.plan is not None]
    plan = torch.block_diag(*plans) if len(plans) > 1 else plans[0]
    value = torch.stack([one.value for one in found]).mean(0)
    return Alignment(value, plan * (len(query) / plan.sum()))


def _similarity_of_means(query: Tensor, support: Tensor, present: Tensor, name: str) -> Tensor:
    """Compare the mean nodes: (b q m D), (b p m' D), (b p m') → (b q p)."""
    fraction = present / present.sum(-1, keepdim=True)
    first, second = query.mean(-2), torch.einsum("bpu,bpud->bpd", fraction, support)
    if name == "euclidean":
        return 1 - (first[:, :, None] - second[:, None]).square().sum(-1)
    norms = vector_norm(first, dim=-1)[:, :, None] * vector_norm(second, dim=-1)[:, None]
    cosine: Tensor = first @ second.mT / norms.clamp_min(SMALLEST_NORMS)
    return cosine


def _scales(posed: Problems, scales: Sequence[int]) -> Iterator[Problems]:
    """Yield the problems of each scale alone, with weights of the scale's number of nodes."""
    for end, size in zip(torch.tensor(scales).cumsum(0).tolist(), scales, strict=True):
        nodes = slice(end - size, end)
        a, b = posed.a[..., nodes], posed.b[..., nodes]
        yield Problems(
            posed.cost[..., nodes, nodes],
            size * a / a.sum(-1, keepdim=True),
            size * b / b.sum(-1, keepdim=True),
        )


def _without_padding(name: str, cost: Tensor, present: Tensor) -> Tensor:
    """Align sets of the same number of nodes together, without padding: (b q p m m') → (b q p)."""
    number = present.sum(-1).long()  # (b p)
    value = cost.new_zeros(cost.shape[:3]).movedim(1, 2)  # (b p q)
    by_set = cost.movedim(1, 2)  # (b p q m m')
    for size in number.unique().tolist():
        same = number == size
        found = align.align(name, by_set[same][..., :size], plan=False).value
        value = value.masked_scatter(same[..., None], found)
    return value.movedim(2, 1)
