"""Attention over time, and codes of positions."""

import math

import torch
from torch import Tensor, nn

LEAST_WIDTH = 8
LONGEST = 10_000.0


class TemporalAttention(nn.Module):
    """Add to each cell its features at other times, weighted by the frames' means and times.

    A = softmax(⟨W_q (g_u + e_u), W_k (g_v + e_v)⟩ / √d'), z'_u = z_u + W_v Σ_v A_uv z_v, one head
    (ours, after TCPNet). W_v is initialised to zero: nothing changes before training.

    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(LEAST_WIDTH, width // 4)
        self.queries = nn.Linear(width, inner, bias=False)
        self.keys = nn.Linear(width, inner, bias=False)
        self.values = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.values.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the attention: (… t d h w) → (… t d h w)."""
        attended = torch.einsum("...uv,...vdhw->...udhw", self.weights(maps), maps)
        mixed: Tensor = self.values(attended.movedim(-3, -1)).movedim(-1, -3)
        return maps + mixed

    def weights(self, maps: Tensor) -> Tensor:
        """Return the weights with which each frame attends to each: (… t d h w) → (… t t)."""
        t, d = maps.shape[-4:-2]
        frames = maps.mean((-2, -1)) + time_code(t, d).to(maps)  # (… t d)
        queries, keys = self.queries(frames), self.keys(frames)
        weights: Tensor = (queries @ keys.mT / math.sqrt(queries.shape[-1])).softmax(-1)
        return weights


def time_code(t: int, d: int) -> Tensor:
    """Return sines and cosines (t d) of the times 0 … t−1 at wavelengths from 2π to 2π·10⁴.

    They are float64, for features of any data type.
    """
    pairs = torch.arange(0, d, 2, dtype=torch.float64) / d
    angles = torch.arange(t, dtype=torch.float64)[:, None] / LONGEST**pairs  # (t ⌈d/2⌉)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :d]


class ScaledPositions(nn.Module):
    """x·√(d/A) + B·pe, then dropout.

    Args:
        feature_divisor: A; with A = d the vectors keep their size.
        position_weight: B, factor of the table.
        dropout: Dropout of the sum.
    """

    def __init__(self, feature_divisor: float, position_weight: float, dropout: float) -> None:
        super().__init__()
        self.feature_divisor, self.position_weight = feature_divisor, position_weight
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        m, d = tokens.shape[-2:]
        scaled = tokens * math.sqrt(d / self.feature_divisor)
        table = position_table(m, d).to(tokens)
        added: Tensor = self.dropout(scaled + self.position_weight * table)
        return added


def position_table(m: int, d: int) -> Tensor:
    """Return pe (m d), float64: sin(p/10000^(2i/d)), cos(p/10000^(2(i+1)/d)) for even i.

    The exponent is doubled against the standard table, as in the public code of both methods.
    """
    even = torch.arange(0, d, 2, dtype=torch.float64)
    times = torch.arange(m, dtype=torch.float64)[:, None]
    sines = (times / LONGEST ** (2 * even / d)).sin()
    cosines = (times / LONGEST ** (2 * (even + 1) / d)).cos()
    return torch.stack([sines, cosines], -1).flatten(1)[:, :d]
