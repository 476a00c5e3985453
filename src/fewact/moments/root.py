"""Matrix square root by a fixed number of Newton–Schulz steps."""

import torch
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.core.shapes import check_tensor

NO_VARIATION = 1e-12
"""Largest trace that counts as no variation; the root is then zero."""


def newton_schulz_sqrt(p: Tensor, steps: int = 3) -> Tensor:
    """Approximate the square root of symmetric positive semi-definite matrices in a few steps.

    With A = P / tr P, the recurrence Z = ½(3I − A), Y = A Z; T = ½(3I − Z Y), Y ← Y T, Z ← T Z;
    finally Y ← ½ Y (3I − Z Y) and S = √(tr P) · Y (iSQRT-COV; A²M²-Net, M² block). The method uses
    three steps, which do not reach the true root; the result converges to it as ``steps`` grows. A
    matrix of trace at most 1e-12 has the root zero, and no gradient.

    Args:
        p: (… d d) symmetric, positive semi-definite. Types narrower than float32, and any type
            inside autocast, are computed in float32; float64 stays float64.
        steps: Newton–Schulz steps, at least 1. Beyond about 20, rounding errors grow for a matrix
            without full rank.

    Returns:
        (… d d) float32 or float64.

    Raises:
        ShapeError: The matrices are not square.
        OptionError: ``steps`` is below 1.

    >>> newton_schulz_sqrt(torch.tensor([[4.0]]))
    tensor([[2.]])
    """
    check_tensor(p, "… d d", "p")
    check_steps(steps)
    with torch.autocast(p.device.type, enabled=False):
        p = p.to(torch.promote_types(p.dtype, torch.float32))
        return _root(p.reshape(-1, *p.shape[-2:]), steps).view(p.shape)


def check_steps(steps: int) -> None:
    """Refuse a number of Newton–Schulz steps below 1."""
    if not isinstance(steps, int) or steps < 1:
        raise OptionError(
            "invalid number of Newton–Schulz steps",
            where="steps",
            got=repr(steps),
            expected="an integer from 1",
        )


def _root(p: Tensor, steps: int) -> Tensor:
    """Run the recurrence on (batch d d), rewritten for fewer products.

    All matrices are polynomials of A and commute, so Z is not needed: with B = Z Y one step is
    T = ½(3I − B), Y ← Y T, B ← B T². The last two steps are one polynomial of B,
    T T' = (36 I − 39 B + 27 B² + B²(B² − 9B)) / 16. Three steps take 5 products instead of 6.
    """
    trace = p.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    constant = trace <= NO_VARIATION
    # The unused branch of a `where` gets a gradient too: it must be finite, hence the 1.
    trace = trace.masked_fill(constant, 1)
    a = p / trace
    scale = trace.sqrt().masked_fill(constant, 0)
    y = torch.baddbmm(a, a, a, beta=1.5, alpha=-0.5)
    if steps == 1:
        return y * scale
    b = torch.baddbmm(y, y, a, beta=1.5, alpha=-0.5)
    for _ in range(steps - 3):
        y_next = torch.baddbmm(y, y, b, beta=1.5, alpha=-0.5)
        bt = torch.baddbmm(b, b, b, beta=1.5, alpha=-0.5)
        b = torch.baddbmm(bt, bt, b, beta=1.5, alpha=-0.5)
        y = y_next
    if steps == 2:
        return torch.baddbmm(y, y, b, beta=1.5, alpha=-0.5) * scale
    square = torch.bmm(b, b)
    rest = torch.add(27 * square, b, alpha=-39)
    tail = torch.baddbmm(rest, square, torch.add(square, b, alpha=-9))
    return torch.baddbmm(y, y, tail, beta=36 / 16, alpha=1 / 16) * scale
