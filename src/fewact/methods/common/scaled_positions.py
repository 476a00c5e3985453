"""The positions of HyRSM and MoLo: scaled vectors plus weighted sines and cosines."""

import math

import torch
from torch import Tensor, nn

LONGEST = 10_000.0


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
        """Add positions to tokens (… m d)."""
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
