"""What can be trained on cells of maps while the network is frozen: linear parts, and a network."""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.methods.common.detrend import STATIC_NORM, linear_detrend

CHANNELS, GRID = 112, 16
"""Channels and cells of a frame."""

VIEWS = ("motion", "differences")
"""Maps of frames, and of images of their differences."""

WEIGHTS = (2.0, 1.5)
"""Weights of the two in ``fusion``."""

SMOOTHING = 0.01


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """Return the similarity of motion: (q t d), (s t d) → (q s)."""
    cost = align.pairwise_cosine_cost(first[None], second[None], eps=0)
    return -align.otam(cost, SMOOTHING, plan=False).value[0] / sum(cost.shape[-2:])


class Linear(nn.Module):
    """The motion term of ``fusion`` with trained parts; initially the term itself.

    Args:
        parts: Any of ``matrix`` (one for the channels of each view), ``channels`` (weights, for
            deviation and change), ``cells`` (weights), ``time`` (a symmetric filter of five steps
            for each channel), ``velocity`` and ``terms`` (weights).
    """

    def __init__(self, parts: Collection[str] = ()) -> None:
        super().__init__()
        shapes = {
            "matrix": (CHANNELS, CHANNELS),
            "channels": (2, CHANNELS),
            "cells": (GRID,),
            "time": (CHANNELS, 2),
            "velocity": (),
            "terms": (),
        }
        self.own = nn.ParameterDict(
            {
                f"{part} {view}": nn.Parameter(
                    torch.eye(CHANNELS) if part == "matrix" else torch.zeros(shapes[part])
                )
                for part in parts
                for view in VIEWS
            }
        )

    def _get(self, part: str, view: str) -> Tensor | None:
        found: Tensor | None = self.own.get(f"{part} {view}")
        return found

    def term_weight(self, view: str) -> Tensor | float:
        """Return the factor of the weight of a view."""
        found = self._get("terms", view)
        return 1.0 if found is None else found.exp()

    def forward(self, cells: Tensor, view: str, *, static: bool = False) -> Tensor:
        """Return the encoded frames (v t 2·d) of cells (v t c·g).

        Args:
            cells: Cells of maps.
            view: One of ``VIEWS``.
            static: Remove the mean over time alone.
        """
        x = cells.float().unflatten(-1, (CHANNELS, GRID))
        if (matrix := self._get("matrix", view)) is not None:
            x = torch.einsum("dc,...ck->...dk", matrix, x)
        frames = functional.normalize(x.flatten(-2), dim=-1)
        detrended = frames if static else linear_detrend(frames, -2)
        deviation = self._filtered(detrended, view)
        deviation = deviation - deviation.mean(-2, keepdim=True)
        padded = torch.cat([detrended[..., :1, :], detrended, detrended[..., -1:, :]], -2)
        change = padded[..., 2:, :] - padded[..., :-2, :]
        weight = torch.ones(2, CHANNELS, GRID)
        if (channels := self._get("channels", view)) is not None:
            weight = weight * channels.exp()[..., None]
        if (of_cells := self._get("cells", view)) is not None:
            weight = weight * of_cells.exp()
        one, two = (
            _unit(part * w.flatten(), frames)
            for part, w in zip((deviation, change), weight, strict=True)
        )
        velocity = self._get("velocity", view)
        two = two if velocity is None else velocity.exp() * two
        return functional.normalize(torch.cat([one, two], -1), dim=-1)

    def _filtered(self, values: Tensor, view: str) -> Tensor:
        """Filter values (v t d) over time."""
        taps = self._get("time", view)
        if taps is None:
            return values
        near, far = taps.repeat_interleave(GRID, 0).unbind(1)  # (d) each
        padded = torch.cat([values[:, :1]] * 2 + [values] + [values[:, -1:]] * 2, 1)
        rest: Tensor = (1 - 2 * near - 2 * far) * values
        return (
            rest
            + near * (padded[:, 1:-3] + padded[:, 3:-1])
            + far * (padded[:, :-4] + padded[:, 4:])
        )


def _unit(changes: Tensor, frames: Tensor) -> Tensor:
    length = vector_norm(changes, dim=-1, keepdim=True)
    static = length <= STATIC_NORM * vector_norm(frames, dim=-1, keepdim=True)
    return torch.where(static, 0.0, changes / length.clamp_min(1e-12))


class Network(nn.Module):
    """A small network over space and time, whose frames are compared as those of motion.

    Args:
        views: Views that it reads.
        cell: Width for each cell.
        width: Width for each frame.
        out: Width of the result.
        layers: Number of convolutions over five steps.
        dropout: Fraction of values that training drops.
    """

    def __init__(
        self,
        views: Collection[str],
        cell: int,
        width: int,
        out: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.views, self.dropout = tuple(views), dropout
        self.cell = nn.ModuleDict({view: nn.Linear(2 * CHANNELS, cell) for view in views})
        self.position = nn.ParameterDict(
            {view: nn.Parameter(torch.zeros(GRID, cell)) for view in views}
        )
        self.frame = nn.Linear(GRID * cell * len(self.views), width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.layers = nn.ModuleList([nn.Conv1d(width, width, 5, padding=2) for _ in range(layers)])
        self.last, self.out = nn.LayerNorm(width), nn.Linear(width, out)

    def forward(self, nodes: dict[str, Tensor]) -> Tensor:
        """Return unit vectors (v t o) of encoded frames (v t 2·d) by view."""
        joined = []
        for view in self.views:
            size = nodes[view].shape[-1] ** 0.5
            x = (size * nodes[view]).unflatten(-1, (2, CHANNELS, GRID))
            x = x.permute(0, 1, 4, 2, 3).flatten(-2)  # (v t g 2·c)
            joined.append(functional.gelu(self.cell[view](x) + self.position[view]).flatten(-2))
        x = functional.dropout(torch.cat(joined, -1), self.dropout, self.training)
        x = functional.gelu(self.frame(x))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            y = functional.dropout(norm(x), self.dropout, self.training)
            x = x + functional.gelu(layer(y.mT).mT)
        return functional.normalize(self.out(self.last(x)), dim=-1)
