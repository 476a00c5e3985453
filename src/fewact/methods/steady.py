"""What keeps a comparison of motion upright when cameras move and stand in other places.

A trend in time is what an unsteady camera leaves in every place. Maps can be seen as by another
guess of the camera's motion. A window around what moves finds a person who stands elsewhere, or
nearer, in another clip; so do windows compared at several shifts.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from fewact import align

PAIRS_AT_ONCE = 256

SPREADS = 4.0
"""Side of the window around what moves, in standard deviations of where it moves; chosen on
development clips, as are the power of the changes and the smallest window, half the map."""


def seen_through(maps: Tensor, looked: Tensor) -> Tensor:
    """Maps of a video's frames, each seen through an affine map of its own.

    Args:
        maps: (… t c h w).
        looked: (… t 2 3), from places of what is seen, -1 to 1, to those of the maps.

    Returns:
        (… t c h w), bicubic between the maps' places. A place that a frame does not show gets the
        mean of those frames of its video that do, or 0. The maps themselves where nothing moves.
    """
    same = torch.eye(2, 3, dtype=looked.dtype, device=looked.device)
    moves = (looked != same).flatten(-2).any(-1)  # (… t)
    if not moves.any():
        return maps
    height, width = maps.shape[-2:]
    size = [looked[..., 0, 0].numel(), 1, height, width]
    at = functional.affine_grid(looked.reshape(-1, 2, 3).to(maps), size, align_corners=False)
    # A hair is allowed for rounding: the maps' own places are seen.
    edge = 1 - (1 - 1e-3) / torch.tensor([width, height]).to(maps)
    shown = (at.abs() <= edge).all(-1).view(*looked.shape[:-2], 1, height, width)
    sampled = functional.grid_sample(
        maps.flatten(0, -4), at, mode="bicubic", padding_mode="border", align_corners=False
    ).view_as(maps)
    mean = (sampled * shown).sum(-4, keepdim=True) / shown.sum(-4, keepdim=True).clamp_min(1)
    seen = torch.where(shown, sampled, mean)
    return torch.where(moves[..., None, None, None], seen, maps)


def centred(maps: Tensor, changes: Tensor, samples: int) -> Tensor:
    """A window of each video's maps around where it changes, as large as that is wide.

    A place weighs the square of the length of its changes, above the median place's, over all
    frames. The window's middle is the mean place, its side four standard deviations, but at least
    half of the shorter side of the map and at most all of it. What lies outside the map is seen as
    its border. Maps that do not change at all give half of the map from its middle.

    Args:
        maps: (… t c h w).
        changes: Of the same shape, less what is the same in all frames.
        samples: Rows and columns of the window, read between the map's places, bilinear.

    Returns:
        (… t c samples samples).
    """
    x, y, side = _window(changes.detach())  # (…) each
    height, width = maps.shape[-2:]
    steps = (torch.arange(samples, dtype=maps.dtype, device=maps.device) + 0.5) / samples - 0.5
    across, down = (
        (at[..., None] + steps * side[..., None]) * (2 / size)
        for at, size in ((x, width), (y, height))
    )  # (… n) from -1 to 1
    square = (*x.shape, samples, samples)
    grid = torch.stack([across[..., None, :].expand(square), down[..., None].expand(square)], -1)
    seen = functional.grid_sample(
        maps.reshape(-1, math.prod(maps.shape[-4:-2]), height, width),  # (r t·c h w)
        grid.view(-1, samples, samples, 2),
        padding_mode="border",
        align_corners=False,
    )
    return seen.reshape(*maps.shape[:-2], samples, samples)


def _window(changes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Middle of the window, right of and below the map's, and its side, in cells: (…) each."""
    height, width = changes.shape[-2:]
    length = changes.square().sum((-4, -3)).sqrt()  # (… h w)
    middle = length.flatten(-2).median(-1).values[..., None, None]
    weight = (length - middle).clamp_min(0).square()
    weight = weight / weight.sum((-2, -1), keepdim=True).clamp_min(1e-12)
    right, below = (
        torch.arange(size, dtype=changes.dtype, device=changes.device) + 0.5 - size / 2
        for size in (width, height)
    )
    columns, rows = weight.sum(-2), weight.sum(-1)  # (… w), (… h)
    x, y = columns @ right, rows @ below
    variance = columns @ right**2 - x**2 + rows @ below**2 - y**2
    spread = (variance / 2).clamp_min(0).sqrt()
    shorter = min(height, width)
    return x, y, (SPREADS * spread).clamp(shorter / 2, shorter)


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
    value = align.otam(torch.cat(costs)[order], smoothing=smoothing, plan=False).value  # (b·q·s)
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
