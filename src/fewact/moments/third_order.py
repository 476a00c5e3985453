"""Third-order moments, sketched: inner products of d³ numbers, nearly, from a few thousand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.errors import OptionError
from fewact.moments.windows import node_weights
from fewact.shapes import check_shape

LARGEST = 8192
ORDER = 3


def third_order(maps: Tensor, lengths: Sequence[int] = (1, 2, 4), sketch: int = 2048) -> Tensor:
    """A random Maclaurin sketch of the third moments of windows about the clip's mean.

    φ(x)_k = D^(−½) ∏ ⟨r_jk, x⟩ over j = 1, 2, 3 with signs r drawn once (Kar and Karnick, 2012);
    a window has the mean of φ over its samples less the clip's mean, divided by the clip's
    mean squared distance from it (ours, docs/second_order.md). A clip without variation has zeros.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Of the windows, in frames, as for ``multi_scale_moments``.
        sketch: D, up to 8,192.

    Returns:
        (… m D).

    Raises:
        ShapeError: The maps don't have these axes.
        OptionError: A window length or sketch that is not accepted.

    >>> third_order(torch.rand(8, 5, 3, 2), sketch=64).shape
    torch.Size([14, 64])
    """
    size = check_shape(maps, "… t d h w", "maps")
    if not 1 <= sketch <= LARGEST:
        raise OptionError("no such sketch", where="sketch", got=repr(sketch), expected="1 … 8192")
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        samples = maps.flatten(-2).mT  # (… t M d)
        mean = samples.mean((-3, -2), keepdim=True)
        moving = samples - mean
        spread = moving.square().sum(-1).mean((-2, -1))  # (…)
        energy = samples.detach().square().sum(-1).mean((-2, -1))
        still = spread <= (8 * torch.finfo(maps.dtype).eps) ** 2 * energy
        signs = _signs(size["d"], sketch).to(maps)  # (3 d D)
        product = moving @ signs[0]  # (… t M D)
        for one in signs[1:]:
            product = product * (moving @ one)
        frames = product.mean(-2) / sketch**0.5  # (… t D)
        weights = node_weights(size["t"], lengths, [1]).to(maps)  # (m t)
        scaled = (weights @ frames) / spread.masked_fill(still, 1)[..., None, None]
        sketched: Tensor = scaled.masked_fill(still[..., None, None], 0)
        return sketched


def _signs(d: int, sketch: int) -> Tensor:
    """±1 (3 d D), the same in every process."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(2, (ORDER, d, sketch), generator=generator, dtype=torch.int8)
    return 2 * bits - 1
