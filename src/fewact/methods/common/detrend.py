"""Removal of a linear trend over time."""

import torch
from torch import Tensor


def linear_detrend(values: Tensor, dim: int) -> Tensor:
    """Remove the least-squares line over time, and keep the mean.

    Args:
        values: Floating; the frames of one video are along ``dim``.
        dim: Axis of time.

    Returns:
        The same shape.

    >>> linear_detrend(torch.tensor([[1.0, 2.0, 3.0]]), dim=1).round(decimals=3)
    tensor([[2., 2., 2.]])
    """
    t = values.shape[dim]
    if t < 2:
        return values
    line = torch.linspace(-1, 1, t, dtype=values.dtype, device=values.device)
    line = line / line.norm()
    before = values.shape[: dim % values.ndim]
    flat = values.reshape(*before, t, -1)  # (… t n)
    slope = line @ flat  # (… n)
    detrended = torch.addcmul(flat, line[:, None], slope[..., None, :], value=-1)
    return detrended.view(values.shape)
