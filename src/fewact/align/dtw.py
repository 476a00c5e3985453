"""Dynamic time warping."""

from torch import Tensor

from fewact.align.checks import finite_costs
from fewact.align.result import Alignment
from fewact.align.warping import warp


def dtw(cost: Tensor, *, plan: bool = True) -> Alignment:
    """Find the cheapest warping path; its cost is the sum of its cells (Sakoe and Chiba 1978).

    A path runs from the first cell to the last; each step goes down, right or diagonally.

    Args:
        cost: (… m m').
        plan: Whether to return the path.

    Returns:
        ``value`` (…); ``plan`` (… m m'), ∂value/∂cost: 1 on the path, 0 elsewhere. A tie prefers
        the diagonal step.

    Raises:
        ShapeError: The costs have fewer than two axes, or one is empty.
        AlignmentError: A cost is NaN or infinite.

    >>> import torch
    >>> dtw(torch.tensor([[1.0, 5.0, 5.0], [5.0, 1.0, 2.0]])).value
    tensor(4.)
    """
    return warp(finite_costs(cost), 0.0, plan)
