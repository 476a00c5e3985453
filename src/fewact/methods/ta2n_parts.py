"""Parts of ``ta2n``: the warp in time, and the offsets in space of each pair of videos.

The first convolution of the offsets is of a support video and a query, whose frames are mixed in
time for each pair. It is linear, so each video's part of it is computed once, with the three taps
along time kept apart where frames are mixed later.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CANVAS = 3
"""Side of a constant map whose 3×3 convolution has all values of a larger map's: corners, edges and
the inside."""

PERTURBATIONS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))


def max_pool(maps: Tensor, *kernel: int) -> Tensor:
    """Max-pool maps (r c t h w); an axis that is shorter than its kernel becomes 1."""
    sizes = [min(side, size) for side, size in zip(kernel, maps.shape[-3:], strict=True)]
    return functional.max_pool3d(maps, sizes)


class Warp(nn.Module):
    """Linear warp of a video in time: frames at the times a·u + b, u from −1 to 1.

    Args:
        channels: Number of channels c of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = ((channels, 64), (64, 128))
        self.convolutions = nn.ModuleList(nn.Conv3d(*size, 3, padding=1) for size in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm3d(size) for _, size in sizes)
        last = nn.Linear(32, 2)
        nn.init.zeros_(last.weight)
        last.bias.data.copy_(torch.tensor([2.0, 0.0]))
        self.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), last, nn.Tanh())

    def forward(self, maps: Tensor) -> Tensor:
        """Return warped maps (r t c h w)."""
        found = maps.transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            found = functional.relu(max_pool(norm(convolution(found)), 2, 2, 2))
        scale, shift = self.head(found.amax((-3, -2, -1))).unbind(-1)  # (r)
        return torch.einsum("rtu,ruchw->rtchw", warp_weights(scale, shift, maps.shape[1]), maps)


def warp_weights(scale: Tensor, shift: Tensor, t: int) -> Tensor:
    """Return the weights (r t t) of frames at the times scale·u + shift, interpolated linearly.

    Times −1 and 1 are the first and the last frame. Frames before and after the video are zero.
    """
    times = torch.linspace(-1, 1, t, dtype=scale.dtype, device=scale.device)
    positions = (scale[:, None] * times + shift[:, None] + 1) / 2 * (t - 1)  # (r t)
    index = torch.arange(t, dtype=scale.dtype, device=scale.device)
    return functional.relu(1 - (positions[..., None] - index).abs())


def box_masks(offsets: Tensor, size: Sequence[int], perturbation: float) -> Tensor:
    """Return the mean of nine shifted boxes, each of sum 1.

    Args:
        offsets: (… 2) shifts along x and y; 2 is the side of a map.
        size: Height and width of a map.
        perturbation: Distance of the nine boxes along each axis.

    Returns:
        (… h w).
    """
    around = perturbation * offsets.new_tensor(PERTURBATIONS)  # (9 2)
    x, y = (offsets[..., None, :] + around).unbind(-1)  # (… 9)
    masks = _ramp(y, size[0])[..., :, None] * _ramp(x, size[1])[..., None, :]  # (… 9 h w)
    return (masks / masks.sum((-2, -1), keepdim=True)).mean(-3)


def _ramp(offset: Tensor, size: int) -> Tensor:
    """Return 1 at cells within −1 … 1 after the shift, and a slope of one cell: (…) → (… size)."""
    first = -1 if size > 1 else 0
    cells = torch.linspace(first, 1, size, dtype=offset.dtype, device=offset.device)
    distance = (cells + offset[..., None]).abs()
    slope = functional.relu(1 - (distance - 1) * (size - 1) / 2)
    return torch.where(distance < 1, torch.ones_like(slope), slope)


class Offsets(nn.Module):
    """Offsets in space of each frame, from the maps of a support video and a query.

    Args:
        channels: Number of channels c of each video's maps.
        largest: Largest offset; 2 is the side of a map.
    """

    def __init__(self, channels: int, largest: float) -> None:
        super().__init__()
        self.channels, self.largest = channels, largest
        self.first = nn.Conv3d(2 * channels, 128, 3, padding=1)
        self.second = nn.Conv3d(128, 128, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm3d(128) for _ in range(2))
        last = nn.Conv1d(64, 2, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(nn.Conv1d(128, 64, 1), nn.ReLU(), last, nn.Tanh())

    def support_response(self, maps: Tensor) -> Tensor:
        """Return a support's part of the first convolution, by tap: (r t c h w) → (r t 3 e h w)."""
        return self._taps(maps, self.first.weight[:, : self.channels])

    def query_response(self, maps: Tensor) -> Tensor:
        """Return a query's part of the first convolution: (r t c h w) → (r e t h w)."""
        weight = self.first.weight[:, self.channels :]
        return functional.conv3d(maps.transpose(1, 2), weight, self.first.bias, padding=1)

    def value_response(self, values: Tensor, size: Sequence[int]) -> Tensor:
        """Return the part of vectors that are added to all cells: (r t c) → (r t 3 e h' w').

        h' and w' are at most ``CANVAS``: ``spread`` repeats what is inside.
        """
        height, width = (min(side, CANVAS) for side in size)
        maps = values[..., None, None].expand(*values.shape, height, width)
        return self._taps(maps, self.first.weight[:, self.channels :])

    @staticmethod
    def _taps(maps: Tensor, weight: Tensor) -> Tensor:
        kernels = weight.movedim(2, 0).flatten(0, 1)  # (3·e c 3 3)
        found = functional.conv2d(maps.flatten(0, 1), kernels, padding=1)
        taps: Tensor = found.unflatten(0, maps.shape[:2]).unflatten(2, (3, -1))
        return taps

    def forward(self, response: Tensor) -> Tensor:
        """Return offsets (… t 2) from the first convolution's output (… e t h w)."""
        found = response.flatten(0, -5)
        found = functional.relu(max_pool(self.norms[0](found), 1, 2, 2))
        found = functional.relu(max_pool(self.norms[1](self.second(found)), 1, 2, 2))
        offsets = self.largest * self.head(found.amax((-2, -1))).transpose(1, 2)  # (r t 2)
        by_pair: Tensor = offsets.unflatten(0, response.shape[:-4])
        return by_pair


def sum_of_taps(taps: Tensor) -> Tensor:
    """Add each tap at its time, with zeros before and after: (… t 3 e h w) → (… e t h w)."""
    before, here, after = taps.unbind(-4)  # (… t e h w); tap 0 is of the frame before
    pad = (0, 0, 0, 0, 0, 0)
    shifted = functional.pad(before[..., :-1, :, :, :], (*pad, 1, 0))
    ahead = functional.pad(after[..., 1:, :, :, :], (*pad, 0, 1))
    return (shifted + here + ahead).transpose(-4, -3)


def spread(canvas: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps of a size from canvases with the values of corners, edges and inside."""
    for dim, side in zip((-2, -1), size, strict=True):
        inside = max(0, side - 2)
        index = [0] + [1] * inside + [min(side, CANVAS) - 1] * (side > 1)
        canvas = canvas.index_select(dim, torch.tensor(index, device=canvas.device))
    return canvas
