"""What keeps a comparison of motion upright when cameras move and stand in other places.

A trend in time is what an unsteady camera leaves in every place; windows of a map, compared at
several shifts, find a person who stands elsewhere in another clip.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from fewact import align

PAIRS_AT_ONCE = 256


def without_line(values: Tensor, dim: int) -> Tensor:
    """Take the straight line through time away, and leave the mean.

    Args:
        values: Floating, with the frames of one video along ``dim``.
        dim: The axis of time.

    Returns:
        The same shape.

    >>> without_line(torch.tensor([[1.0, 2.0, 3.0]]), dim=1)
    tensor([[2., 2., 2.]])
    """
    t = values.shape[dim]
    if t < 2:
        return values
    line = torch.linspace(-1, 1, t, dtype=values.dtype, device=values.device)
    line = (line / line.norm()).reshape(-1, *[1] * (values.ndim - 1 - dim % values.ndim))
    rest: Tensor = values - line * (values * line).sum(dim, keepdim=True)
    return rest


def windows(maps: Tensor, reach: int) -> Tensor:
    """Windows of maps, one cell apart, that two of them can be up to ``reach`` cells apart.

    Args:
        maps: (… c h w).
        reach: In cells, each way; 0 gives the whole map.

    Returns:
        (… v c h' w'), v = (1 + reach')² windows row by row, where reach' is the next even number.
    """
    steps = 1 + 2 * -(-reach // 2)
    height, width = (size - steps + 1 for size in maps.shape[-2:])
    cut = [maps[..., y : y + height, x : x + width] for y in range(steps) for x in range(steps)]
    return torch.stack(cut, -4)


def searched(first: Tensor, second: Tensor, reach: int, smoothing: float) -> Tensor:
    """Ordered alignment at the shift where two videos agree most frame by frame.

    A relative shift is split over both videos, which makes the search symmetric.

    Args:
        first: (b q v t d), frames of each window at length 1, or zero.
        second: (b s v t d).
        reach: Of the windows.
        smoothing: λ of the ordered alignment.

    Returns:
        (b q s), minus the cost a frame.
    """
    (b, q, _, t, _), s = first.shape, second.shape[1]
    best = first.new_full((b, q, s), -torch.inf)
    which = torch.zeros(b, q, s, dtype=torch.int64, device=first.device)
    shifts = list(_shifts(reach))
    with torch.no_grad():
        for number, (mine, yours) in enumerate(shifts):
            agreement = first[:, :, mine].flatten(2) @ second[:, :, yours].flatten(2).mT  # (b q s)
            better = agreement > best
            best = torch.where(better, agreement, best)
            which = torch.where(better, number, which)
    costs, places = [], []
    for number, (mine, yours) in enumerate(shifts):
        for some in (which == number).nonzero().split(PAIRS_AT_ONCE):
            at, i, j = some.unbind(1)  # (p)
            costs.append(1 - first[at, i, mine] @ second[at, j, yours].mT)  # (p t u)
            places.append((at * q + i) * s + j)
    order = torch.cat(places).argsort()
    value = align.otam(torch.cat(costs)[order], lam=smoothing, plan=False).value  # (b·q·s)
    return -value.view(b, q, s) / (2 * t)


def _shifts(reach: int) -> Iterator[tuple[int, int]]:
    """For each relative shift which windows of the first and the second video are compared."""
    margin = -(-reach // 2)
    steps = 1 + 2 * margin
    halves = {r: _halves(r) for r in range(-reach, reach + 1)}
    for down in halves.values():
        for right in halves.values():
            mine, yours = (
                (margin + y) * steps + margin + x for y, x in zip(down, right, strict=True)
            )
            yield mine, yours


def _halves(shift: int) -> tuple[int, int]:
    """Two numbers that differ by the shift, swapped where its sign is."""
    large, small = -(-abs(shift) // 2), -(abs(shift) // 2)
    return (large, small) if shift >= 0 else (small, large)
