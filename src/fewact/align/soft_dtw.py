"""Soft dynamic time warping."""

from torch import Tensor

from fewact.align.checks import check_smoothing, finite_costs
from fewact.align.result import Alignment
from fewact.align.warping import warp


def soft_dtw(cost: Tensor, smoothing: float = 0.1, *, plan: bool = True) -> Alignment:
    """Compute the soft minimum −γ log Σ exp(−cost/γ) over all warping paths (Cuturi, Blondel 2017).

    Args:
        cost: (… m m').
        smoothing: γ ≥ 0; 0 is ``dtw``.
        plan: Whether to return the soft path.

    Returns:
        ``value`` (…), negative where many paths are cheap; ``plan`` (… m m'), ∂value/∂cost: the
        probability that the path runs through each cell.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: The smoothing is negative.

    >>> import torch
    >>> soft_dtw(torch.tensor([[2.0, 3.0]])).value
    tensor(5.)
    """
    check_smoothing(smoothing)
    return warp(finite_costs(cost), smoothing, plan)
