"""The aligners that are compared, all on the same cosine costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from fewact import align
from fewact.align import Alignment
from fewact.methods.a2m2_matching import WeightedCosts, Weights, problems


@dataclass(frozen=True)
class Compared:
    """An aligner with its options.

    Args:
        label: Name in tables and figures.
        name: Name in ``fewact.align``.
        ordered: Whether it uses the order of the nodes.
        options: Options of ``align.create``; others keep their defaults.
        weights: Rule for the weights of the nodes, for an aligner that takes weights.
    """

    label: str
    name: str
    ordered: bool
    options: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    weights: Weights | None = None

    def __call__(self, posed: Mapping[Weights, WeightedCosts]) -> Alignment:
        """Return value (p) and plan (p m m') of problems from ``pose``."""
        align_costs = align.create(self.name, **self.options)
        if self.weights is None:
            return align_costs(posed["uniform"].cost)
        weighted = posed[self.weights]
        return align_costs(weighted.cost, weighted.a, weighted.b)


COMPARED = (
    Compared("EMD", "emd", False, weights="uniform"),
    Compared("cross-reference EMD", "emd", False, weights="cross"),
    Compared("Hungarian", "hungarian", False),
    Compared("Sinkhorn", "sinkhorn", False, {"regularisation": 0.05}),
    Compared("Bi-MHM", "bi_mhm", False),
    Compared("OTAM λ 0.5", "otam", True, {"smoothing": 0.5}),
    Compared("OTAM λ 0.1", "otam", True, {"smoothing": 0.1}),
    Compared("DTW", "dtw", True),
    Compared("soft-DTW", "soft_dtw", True, {"smoothing": 0.1}),
    Compared("diagonal", "diagonal", True),
)


def pose(first: Tensor, second: Tensor) -> dict[Weights, WeightedCosts]:
    """Return costs and weights of pairs, as in A²M²-Net, by the rule for the weights.

    Args:
        first: (p m D).
        second: (p m' D).

    Returns:
        WeightedCosts of cost (p m m') and weights (p m), (p m').
    """
    present = torch.ones(second[:, None].shape[:-1], dtype=second.dtype)  # (p 1 m')
    posed: dict[Weights, WeightedCosts] = {}
    rules: tuple[Weights, ...] = ("uniform", "cross")
    for rule in rules:
        made = problems(first[:, None], second[:, None], present, weights=rule)  # (p 1 1 …)
        posed[rule] = WeightedCosts(*(x.flatten(0, 2) for x in (made.cost, made.a, made.b)))
    return posed
