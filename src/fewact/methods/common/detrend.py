"""Changes over time: linear detrending, and changes of length 1."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

STATIC_NORM = 1e-4
"""Changes below this fraction of a frame's norm are rounding errors and count as none."""


def linear_detrend(values: Tensor, dim: int) -> Tensor:
    """Remove the least-squares line over time, and keep the mean.

    Args:
        values: Floating; the frames of one video are along ``dim``. Their data type is that of the
            computation, inside autocast too.
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
    with torch.autocast(values.device.type, enabled=False):
        slope = line @ flat  # (… n)
    detrended = torch.addcmul(flat, line[:, None], slope[..., None, :], value=-1)
    return detrended.view(values.shape)


def unit_changes(changes: Tensor, frames: Tensor) -> Tensor:
    """Normalise changes (… t d); zero where they are rounding errors of the frames (… t d)."""
    length = vector_norm(changes, dim=-1, keepdim=True)
    static = length <= STATIC_NORM * vector_norm(frames, dim=-1, keepdim=True)
    normalised: Tensor = changes / length.masked_fill(static, torch.inf)
    return normalised
