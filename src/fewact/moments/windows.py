"""Windows of several lengths over the frames of a video."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.errors import OptionError


def windows(t: int, lengths: Sequence[int] = (1, 2, 4)) -> tuple[tuple[int, int], ...]:
    """Windows that tile t frames, once for each length, in the order of the lengths.

    Where a length does not divide t, the last window of that length is shorter.

    Args:
        t: Number of frames.
        lengths: Of the windows, in frames.

    Returns:
        (start, stop) of each window, stop excluded.

    Raises:
        OptionError: ``t`` is below 1, no length is given, or one is below 1.

    >>> windows(3, (1, 2))
    ((0, 1), (1, 2), (2, 3), (0, 2), (2, 3))
    """
    if t < 1:
        raise OptionError("a video has frames", where="t", got=str(t), expected="1 or more")
    if not lengths or any(length < 1 for length in lengths):
        raise OptionError(
            "these are no window lengths",
            where="lengths",
            got=repr(lengths),
            expected="one or more whole numbers from 1, in frames",
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
    """When each node of ``multi_scale_moments`` takes place.

    Args:
        t: Number of frames.
        lengths: Of the windows, in frames.
        grid: 1, or 2 with the nodes of the spatial grid; they have their window's time.
        dtype: Of the result.
        device: Of the result.

    Returns:
        (m,) centres of the nodes' windows divided by t: from 0, the beginning, to 1, the end.

    >>> window_times(4, (2, 4))
    tensor([0.2500, 0.7500, 0.5000])
    """
    check_grid(grid)
    centres = [(start + stop) / (2 * t) for start, stop in windows(t, lengths)]
    parts = [centre for centre in centres for _ in range(grid * grid)] if grid > 1 else []
    return torch.tensor(centres + parts, dtype=dtype, device=device)


def check_grid(grid: int) -> None:
    """Refuse a spatial grid other than none (1) and 2×2 (2)."""
    if grid not in (1, 2):
        raise OptionError(
            "no such spatial grid", where="grid", got=repr(grid), expected="1 (none) or 2 (2×2)"
        )


def node_weights(t: int, lengths: Sequence[int], samples: Sequence[int]) -> Tensor:
    """Which cells make up each node, as shares of its samples.

    A cell is a place of the spatial grid in one frame; without a grid it is the frame.

    Args:
        t: Number of frames.
        lengths: Of the windows, in frames.
        samples: How many each of the g places of the grid has in a frame; g is 1 without a grid.

    Returns:
        (m t·g) float64, rows summing to 1: the windows over whole frames first; then, where g > 1,
        for each window its places. Cells go frame by frame.
    """
    spans = windows(t, lengths)
    inside = torch.zeros(len(spans), t, dtype=torch.float64)
    for row, (start, stop) in zip(inside, spans, strict=True):
        row[start:stop] = 1
    nodes = [(inside[:, :, None] * torch.tensor(samples)).flatten(1)]  # (windows t·g)
    if len(samples) > 1:
        places = torch.eye(len(samples), dtype=torch.float64)
        nodes.append((inside[:, None, :, None] * places[:, None]).flatten(2).flatten(0, 1))
    weights = torch.cat(nodes)
    return weights / weights.sum(1, keepdim=True)
