"""How unlike the support a query was recorded: in other light, with noise, compressed.

Such a query is less similar to all videos. If its features are ``a`` times those of a clip of its
class, and something that no class has, the nearest of the scaled class means has the largest

    mean over s of K(q, s) − a/2 · mean over s, s' of K(s, s')

The appearance says how large ``a`` is: its cosines are high between all videos of one place.
"""

from torch import Tensor

ALIKE = 0.95
"""Fraction of the support's own appearance similarity from which on a query is like the support.
Chosen on development clips under simulated conditions, like POWER, so that clean clips keep their
scores; see docs/decisions/other-conditions.md."""

POWER = 4
"""Motion suffers more than appearance: ``a`` is this power of the ratio of similarities."""


def mean_appearance(similarity: Tensor) -> Tensor:
    """Return the mean similarity of different support videos: (b s s) → (b); 0 for one video."""
    s = similarity.shape[-1]
    others = similarity.sum((1, 2)) - similarity.diagonal(dim1=1, dim2=2).sum(1)
    return others / max(1, s * (s - 1))


def intra_class_factor(similarity: Tensor, own: Tensor) -> Tensor:
    """Return ``a`` of each query, from 0 to 1.

    Args:
        similarity: Appearance similarities (b q s) of queries with support videos.
        own: Mean appearance similarity (b) of the support videos.

    Returns:
        (b q).
    """
    ratio: Tensor = similarity.mean(-1) / (ALIKE * own[:, None]).clamp_min(1e-6)
    return ratio.clamp(0, 1) ** POWER
