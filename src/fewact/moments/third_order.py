"""Sketched third-order moments: approximate inner products of d³ numbers by a few thousand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.core.shapes import check_tensor
from fewact.moments.windows import node_weights

LARGEST = 8192
ORDER = 3


def third_order(maps: Tensor, lengths: Sequence[int] = (1, 2, 4), sketch: int = 2048) -> Tensor:
    """Compute a random Maclaurin sketch of the third moments of windows about the clip's mean.

    φ(x)_k = D^(−½) ∏ ⟨r_jk, x⟩ over j = 1, 2, 3 with fixed random signs r (Kar and Karnick, 2012).
    The descriptor of a window is the mean of φ over its samples, after subtraction of the clip's
    mean, divided by the clip's variance (ours). A clip without variation has zeros.

    Args:
        maps: (… t d h w). Types narrower than float32, and any type inside autocast, are computed
            in float32; float64 stays float64.
        lengths: Window lengths in frames, as for ``multi_scale_moments``.
        sketch: Length D of the sketch, up to 8,192.

    Returns:
        (… m D).

    Raises:
        ShapeError: The maps have other axes.
        OptionError: A window length or the sketch is invalid.

    >>> third_order(torch.rand(8, 5, 3, 2), sketch=64).shape
    torch.Size([14, 64])
    """
    size = check_tensor(maps, "… t d h w", "maps")
    if not 1 <= sketch <= LARGEST:
        raise OptionError(
            "invalid sketch length", where="sketch", got=repr(sketch), expected="1 … 8192"
        )
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        samples = maps.flatten(-2).mT  # (… t M d)
        mean = samples.mean((-3, -2), keepdim=True)
        changes = samples - mean
        variance = changes.square().sum(-1).mean((-2, -1))  # (…)
        energy = samples.detach().square().sum(-1).mean((-2, -1))
        constant = variance <= (8 * torch.finfo(maps.dtype).eps) ** 2 * energy
        signs = _signs(size["d"], sketch).to(maps)  # (3 d D)
        product = changes @ signs[0]  # (… t M D)
        for sign in signs[1:]:
            product = product * (changes @ sign)
        frames = product.mean(-2) / sketch**0.5  # (… t D)
        weights = node_weights(size["t"], lengths, [1]).to(maps)  # (m t)
        scaled = (weights @ frames) / variance.masked_fill(constant, 1)[..., None, None]
        sketched: Tensor = scaled.masked_fill(constant[..., None, None], 0)
        return sketched


def _signs(d: int, sketch: int) -> Tensor:
    """Return random signs ±1 (3 d D), the same in every process."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(2, (ORDER, d, sketch), generator=generator, dtype=torch.int8)
    return 2 * bits - 1
