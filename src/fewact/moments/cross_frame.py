"""Cross-frame covariance: how features change from one window to the next."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fewact.core.shapes import check_tensor
from fewact.moments.windows import windows


def cross_frame(maps: Tensor, lengths: Sequence[int] = (1, 2, 4), *, root: bool = True) -> Tensor:
    """Compute the antisymmetric part of the covariance of neighbouring windows.

    It changes sign when time is reversed. With C the covariance of a window's samples with the
    samples of the next window of its length, at the same cells of corresponding frames,
    R = ½ (C − Cᵀ) and S = R / (tr P · tr P')^¼, where P and P' are the covariances of the two
    windows (ours). The last window of a length has the S of the pair that it ends; the only window
    of a length has zeros, and so have pairs without variation.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Window lengths in frames, as for ``multi_scale_moments``.
        root: Whether to return S, in the unit of the square root of a covariance, instead of R.

    Returns:
        (… m d(d−1)/2), the strict upper triangle row by row, in the order of the windows.

    Raises:
        ShapeError: The maps have other axes.
        OptionError: A window length is invalid.

    >>> cross_frame(torch.rand(8, 5, 3, 2)).shape
    torch.Size([14, 10])
    """
    size = check_tensor(maps, "… t d h w", "maps")
    d = size["d"]
    row, column = torch.triu_indices(d, d, 1, device=maps.device)
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        samples = maps.flatten(-2).movedim(-3, -2)  # (… d t M)
        nodes: list[Tensor] = []
        for length in lengths:
            spans = windows(size["t"], (length,))
            pairs = [
                _pair(samples, start, following, min(stop - start, end - following), root)
                for (start, stop), (following, end) in pairwise(spans)
            ]
            nodes += [*pairs, pairs[-1]] if pairs else [maps.new_zeros(*maps.shape[:-4], d, d)]
        return torch.stack(nodes, -3).flatten(-2).index_select(-1, row * d + column)


def _pair(samples: Tensor, first: int, second: int, count: int, root: bool) -> Tensor:
    """Return R or S (… d d) of ``count`` frames from ``first`` and from ``second`` on."""
    a, variance_a = _centred(samples[..., first : first + count, :])
    b, variance_b = _centred(samples[..., second : second + count, :])
    c = a @ b.mT / a.shape[-1]
    r = (c - c.mT) / 2
    scale = (variance_a * variance_b)[..., None, None]
    constant = scale == 0
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    divisor = scale.masked_fill(constant, 1) ** 0.25 if root else 1.0
    return (r / divisor).masked_fill(constant, 0)


def _centred(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean from samples (… d n M); return them (… d n·M) and their variance (…).

    A variance below the rounding error of the samples is set to 0.
    """
    flat = samples.flatten(-2)
    centred = flat - flat.mean(-1, keepdim=True)
    variance = centred.square().sum(-2).mean(-1)
    energy = flat.detach().square().sum(-2).mean(-1)
    constant = variance <= (8 * torch.finfo(flat.dtype).eps) ** 2 * energy
    return centred, variance.masked_fill(constant, 0)
