"""Windows of several lengths over the frames of a video."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.core.errors import OptionError


def windows(t: int, lengths: Sequence[int] = (1, 2, 4)) -> tuple[tuple[int, int], ...]:
    """Return windows that tile t frames, once for each length, in the order of the lengths.

    Where a length does not divide t, the last window of that length is shorter.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.

    Returns:
        (start, stop) of each window, stop excluded.

    Raises:
        OptionError: ``t`` or a length is below 1, or there are no lengths.

    >>> windows(3, (1, 2))
    ((0, 1), (1, 2), (2, 3), (0, 2), (2, 3))
    """
    if t < 1:
        raise OptionError("invalid number of frames", where="t", got=str(t), expected="1 or more")
    if not lengths or any(length < 1 for length in lengths):
        raise OptionError(
            "invalid window lengths",
            where="lengths",
            got=repr(lengths),
            expected="one or more integers from 1, in frames",
        )
    return tuple(
        (start, min(start + length, t)) for length in lengths for start in range(0, t, length)
    )


def window_times(
    t: int,
    lengths: Sequence[int] = (1, 2, 4),
    grid: int = 1,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the time of each node of ``multi_scale_moments``.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.
        grid: 1, or 2 with the nodes of the spatial grid, which have the time of their window.
        dtype: Data type of the result.
        device: Device of the result.

    Returns:
        (m,) centers of the nodes' windows divided by t: 0 is the start, 1 the end.

    >>> window_times(4, (2, 4))
    tensor([0.2500, 0.7500, 0.5000])
    """
    check_grid(grid)
    centers = [(start + stop) / (2 * t) for start, stop in windows(t, lengths)]
    parts = [center for center in centers for _ in range(grid * grid)] if grid > 1 else []
    return torch.tensor(centers + parts, dtype=dtype, device=device)


def check_grid(grid: int) -> None:
    """Refuse a spatial grid other than none (1) and 2×2 (2)."""
    if grid not in (1, 2):
        raise OptionError(
            "invalid spatial grid", where="grid", got=repr(grid), expected="1 (none) or 2 (2×2)"
        )


def node_weights(t: int, lengths: Sequence[int], samples: Sequence[int]) -> Tensor:
    """Return the weight of each part of a frame in each node, as a fraction of the node's samples.

    A part is one cell of the spatial grid; without a grid it is the full frame.

    Args:
        t: Number of frames.
        lengths: Window lengths in frames.
        samples: Number of samples of each of the g parts of a frame; g is 1 without a grid.

    Returns:
        (m t·g) float64, rows summing to 1: the windows over full frames first; then, where g > 1,
        the parts of each window. Columns are ordered frame by frame.
    """
    spans = windows(t, lengths)
    inside = torch.zeros(len(spans), t, dtype=torch.float64)
    for row, (start, stop) in zip(inside, spans, strict=True):
        row[start:stop] = 1
    nodes = [(inside[:, :, None] * torch.tensor(samples)).flatten(1)]  # (windows t·g)
    if len(samples) > 1:
        parts = torch.eye(len(samples), dtype=torch.float64)
        nodes.append((inside[:, None, :, None] * parts[:, None]).flatten(2).flatten(0, 1))
    weights = torch.cat(nodes)
    return weights / weights.sum(1, keepdim=True)
