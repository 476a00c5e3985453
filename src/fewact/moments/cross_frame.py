"""Cross-frame covariance: how neighbouring windows follow on each other."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fewact.moments.windows import windows
from fewact.shapes import check_shape


def cross_frame(maps: Tensor, lengths: Sequence[int] = (1, 2, 4), *, root: bool = True) -> Tensor:
    """What changes sign in the covariance of neighbouring windows when time runs backwards.

    With C the covariance of a window's samples with those of the next one of its length, frame by
    frame and place by place, R = ½ (C − Cᵀ) and S = R / (tr P · tr P')^¼, where P and P' are the
    two windows' own covariances (ours, docs/second_order.md). The last window of a length has the S
    of the pair that it ends; a window that is alone has zeros, as have pairs without variation.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Of the windows, in frames, as for ``multi_scale_moments``.
        root: S, in the unit of a square root of a covariance; otherwise R.

    Returns:
        (… m d(d−1)/2), the strict upper triangle row by row, for the windows in their order.

    Raises:
        ShapeError: The maps don't have these axes.
        OptionError: A window length that does not exist.

    >>> cross_frame(torch.rand(8, 5, 3, 2)).shape
    torch.Size([14, 10])
    """
    size = check_shape(maps, "… t d h w", "maps")
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
            alone = maps.new_zeros(*maps.shape[:-4], d, d)
            nodes += [*pairs, pairs[-1]] if pairs else [alone]
        return torch.stack(nodes, -3).flatten(-2).index_select(-1, row * d + column)


def _pair(samples: Tensor, first: int, second: int, count: int, root: bool) -> Tensor:
    """R or S (… d d) of the frames from ``first`` on and those from ``second`` on."""
    a, tr_a = _centred(samples[..., first : first + count, :])
    b, tr_b = _centred(samples[..., second : second + count, :])
    c = a @ b.mT / a.shape[-1]
    r = (c - c.mT) / 2
    scale = (tr_a * tr_b)[..., None, None]
    still = scale == 0
    # The unused branch of a `where` still gets a gradient: it must be finite, hence the 1.
    divisor = scale.masked_fill(still, 1) ** 0.25 if root else 1.0
    return (r / divisor).masked_fill(still, 0)


def _centred(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Samples (… d n M) less their mean (… d n·M), and the trace of their covariance (…).

    A trace below the rounding of the samples is 0.
    """
    flat = samples.flatten(-2)
    moving = flat - flat.mean(-1, keepdim=True)
    trace = moving.square().sum(-2).mean(-1)
    energy = flat.detach().square().sum(-2).mean(-1)
    still = trace <= (8 * torch.finfo(flat.dtype).eps) ** 2 * energy
    return moving, trace.masked_fill(still, 0)
