"""Similarity of two videos' nodes: weights, cost, and the alignment that compares them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align

Matching = Literal[
    "emd", "hungarian", "sinkhorn", "otam", "bi_mhm", "diagonal", "cosine", "euclidean"
]
Weights = Literal["cross", "self", "uniform"]

FLOOR = 1e-3
"""Added to each node's weight, so that none vanishes."""

SMALLEST_NORMS = 1e-8
"""The least denominator of a cosine: a zero node has cosine 0 with all."""


@dataclass(frozen=True)
class Problems:
    """Transport problems of each query with each set of support nodes.

    Args:
        cost: (b q p m m').
        a: (b q p m) weights of the query's nodes; they sum to m.
        b: (b q p m') weights of the support's nodes; they sum to m too.
    """

    cost: Tensor
    a: Tensor
    b: Tensor


def problems(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    *,
    weights: Weights,
    time_cost: Tensor | None = None,
) -> Problems:
    """Cost and weights of the A² module, from one matrix product an episode.

    Args:
        query: (b q m D).
        support: (b p m' D).
        present: (b p m'), 1 for a node and 0 for padding, which gets no weight.
        weights: ``cross``: a_i = ReLU⟨x_i, mean_j y_j⟩ + 10⁻³ and the other way round; ``self``:
            with the mean of its own video; ``uniform``.
        time_cost: (m m'), added to 1 − cos.
    """
    (q, m), (p, u) = query.shape[1:3], support.shape[1:3]
    products = query.flatten(1, 2) @ support.flatten(1, 2).transpose(-1, -2)  # (b q·m p·m')
    products = products.unflatten(-1, (p, u)).unflatten(1, (q, m)).transpose(2, 3)  # (b q p m m')
    norms = (
        vector_norm(query, dim=-1)[:, :, None, :, None]
        * vector_norm(support, dim=-1)[:, None, :, None, :]
    )
    cost = 1 - products / norms.clamp_min(SMALLEST_NORMS)
    if time_cost is not None:
        cost = cost + time_cost
    share = present / present.sum(-1, keepdim=True)  # (b p m')
    if weights == "cross":
        a = (products @ share[:, None, :, :, None]).squeeze(-1)  # ⟨x_i, mean_j y_j⟩
        b = products.mean(-2)  # ⟨y_j, mean_i x_i⟩
    elif weights == "self":
        a = (query @ query.mean(-2, keepdim=True).transpose(-1, -2)).transpose(-1, -2)
        own = torch.einsum("bpu,bpud->bpd", share, support)
        b = torch.einsum("bpud,bpd->bpu", support, own)[:, None]
    else:
        a = b = products.new_ones(1)
    a = (functional.relu(a) + FLOOR).expand(cost.shape[:-1])
    b = ((functional.relu(b) + FLOOR) * present[:, None]).expand(*cost.shape[:-2], u)
    return Problems(cost, m * a / a.sum(-1, keepdim=True), m * b / b.sum(-1, keepdim=True))


def similarity(
    query: Tensor,
    support: Tensor,
    present: Tensor,
    matching: Matching,
    *,
    weights: Weights,
    scales: Sequence[int],
    time_cost: Tensor | None = None,
) -> Tensor:
    """Similarity of each query with each set of support nodes; 1 for the same nodes.

    Args:
        query: (b q m D).
        support: (b p m' D).
        present: (b p m').
        matching: The alignment. ``cosine`` and ``euclidean`` compare the mean nodes; ``otam``
            aligns the nodes of each scale in their order and averages over the scales.
        weights: Of the nodes, for ``emd`` and ``sinkhorn``.
        scales: Number of nodes of each scale, in order; they sum to m.
        time_cost: (m m'), added to 1 − cos.

    Returns:
        (b q p).
    """
    if matching in ("cosine", "euclidean"):
        share = present / present.sum(-1, keepdim=True)
        first, second = query.mean(-2), torch.einsum("bpu,bpud->bpd", share, support)
        if matching == "euclidean":
            return 1 - (first[:, :, None] - second[:, None]).square().sum(-1)
        norms = vector_norm(first, dim=-1)[:, :, None] * vector_norm(second, dim=-1)[:, None]
        cosine: Tensor = first @ second.mT / norms.clamp_min(SMALLEST_NORMS)
        return cosine
    rule: Weights = weights if matching in ("emd", "sinkhorn") else "uniform"
    posed = problems(query, support, present, weights=rule, time_cost=time_cost)
    cost, m = posed.cost, query.shape[-2]
    if matching in ("emd", "hungarian"):
        wanted = torch.is_grad_enabled() and cost.requires_grad
        return 1 - align.emd(cost, posed.a, posed.b, plan=wanted).value / m
    if matching == "sinkhorn":
        return 1 - align.sinkhorn(cost, posed.a / m, posed.b / m, plan=False).value
    if matching == "otam":
        ends = torch.tensor(scales).cumsum(0).tolist()
        blocks = [
            cost[..., end - size : end, end - size : end]
            for size, end in zip(scales, ends, strict=True)
        ]
        values = [
            align.otam(block, plan=False).value / (2 * size)
            for size, block in zip(scales, blocks, strict=True)
        ]
        return 1 - torch.stack(values).mean(0)
    if matching == "diagonal":
        return 1 - align.diagonal(cost, reduction="mean", plan=False).value
    # Padding must be nobody's nearest node, and counts in no mean.
    cost = cost.masked_fill(present[:, None, :, None, :] == 0, float(cost.detach().max()) + 1)
    there = cost.amin(-2) * present[:, None]
    return 1 - (cost.amin(-1).mean(-1) + there.sum(-1) / present.sum(-1)[:, None]) / 2
