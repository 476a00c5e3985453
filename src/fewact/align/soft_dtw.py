"""Soft dynamic time warping."""

from torch import Tensor

from fewact.align.border import check_smoothing, finite_costs
from fewact.align.result import Alignment
from fewact.align.warping import warp


def soft_dtw(cost: Tensor, gamma: float = 0.1, *, plan: bool = True) -> Alignment:
    """Soft minimum −γ log Σ exp(−cost/γ) over all warping paths (Cuturi and Blondel 2017).

    Args:
        cost: (… m m').
        gamma: γ ≥ 0; 0 is ``dtw``.
        plan: Whether the soft path is wanted.

    Returns:
        ``value`` (…), which is negative where many paths are cheap; ``plan`` (… m m'), that is
        ∂value/∂cost: how much of the path runs through each cell.

    Raises:
        ShapeError: The costs lack two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.
        OptionError: γ is negative.

    >>> import torch
    >>> soft_dtw(torch.tensor([[2.0, 3.0]])).value
    tensor(5.)
    """
    check_smoothing(gamma, "gamma")
    return warp(finite_costs(cost), gamma, plan)
