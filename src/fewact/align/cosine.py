"""Cost of matching two vectors: one minus their cosine."""

import numpy as np
import torch
from torch import Tensor

from fewact.core.errors import OptionError, ShapeError
from fewact.core.shapes import check_tensor

ZERO_LENGTH = 1e-12
"""Vectors up to this length have no direction."""


def cosine_cost(x: Tensor, y: Tensor, eps: float = 0.01) -> Tensor:
    """Compute the cost 1 − x·y / (‖x‖‖y‖ + ε) of each vector of x with each of y.

    A zero vector has cost 1 with everything. With ε = 0 a vector of length up to 1e-12 counts as
    zero and gets no gradient. Products of two lengths must not overflow: in float32 vectors may
    be up to 1e19 long.

    The product copies leading axes that are broadcast: use ``pairwise_cosine_cost`` to compare each
    of q videos with each of s.

    Args:
        x: (… m d). Types narrower than float32, and any type inside autocast, are computed in
            float32; float64 stays float64.
        y: (… m' d), leading axes broadcastable with those of x.
        eps: ε ≥ 0, added to the product of the norms; published code has 0.01 or 0.

    Returns:
        (… m m').

    Raises:
        ShapeError: The vectors differ in length, or the leading axes don't fit.
        OptionError: ``eps`` is negative.

    >>> cosine_cost(torch.tensor([[3.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]]), eps=0)
    tensor([[0., 1.]])
    """
    _check(x, y)
    _check_eps(eps)
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        x, y = x.to(dtype), y.to(dtype)
        if eps == 0:
            return 1 - _unit(x) @ _unit(y).mT
        lengths = _length(x) * _length(y).mT  # (… m m')
        return 1 - x @ y.mT / (lengths + eps)


def pairwise_cosine_cost(x: Tensor, y: Tensor, eps: float = 0.01) -> Tensor:
    """Compute ``cosine_cost`` of each of q videos with each of s, in one product per episode.

    Args:
        x: (b q m d).
        y: (b s m' d).
        eps: As for ``cosine_cost``.

    Returns:
        (b q s m m').

    Raises:
        ShapeError: The shapes don't fit.
        OptionError: ``eps`` is negative.

    >>> pairwise_cosine_cost(torch.rand(2, 3, 8, 16), torch.rand(2, 5, 8, 16)).shape
    torch.Size([2, 3, 5, 8, 8])
    """
    first, second = check_tensor(x, "b q m d", "x"), check_tensor(y, "b s m' d", "y")
    if first["b"] != second["b"]:
        raise _misfit(x, y)
    cost = cosine_cost(x.flatten(1, 2), y.flatten(1, 2), eps)  # (b q·m s·m')
    shape = (first["b"], first["q"], first["m"], second["s"], second["m'"])
    return cost.view(shape).transpose(2, 3)


def cosine_cost_of_products(
    products: Tensor, first: Tensor, second: Tensor, eps: float = 0.01
) -> Tensor:
    """Compute ``cosine_cost`` of vectors whose inner products and squared norms are known.

    Args:
        products: (… m m').
        first: Squared norms of the first vectors, broadcastable with the products.
        second: Those of the second vectors.
        eps: As for ``cosine_cost``.

    Returns:
        (… m m').

    Raises:
        OptionError: ``eps`` is negative.

    >>> cosine_cost_of_products(torch.tensor(6.0), torch.tensor(9.0), torch.tensor(4.0), eps=0)
    tensor(0.)
    """
    _check_eps(eps)
    smallest = ZERO_LENGTH**2
    if eps == 0:
        inverse = [
            x.clamp_min(smallest).rsqrt().masked_fill(x <= smallest, 0) for x in (first, second)
        ]
        return 1 - products * inverse[0] * inverse[1]
    return 1 - products / (
        first.clamp_min(smallest).sqrt() * second.clamp_min(smallest).sqrt() + eps
    )


def _check_eps(eps: float) -> None:
    if not eps >= 0:
        raise OptionError("invalid ε", where="eps", got=repr(eps), expected="0 or more")


def _check(x: Tensor, y: Tensor) -> None:
    if check_tensor(x, "… m d", "x")["d"] != check_tensor(y, "… m' d", "y")["d"]:
        raise _misfit(x, y)
    try:
        # torch's own function imports sympy, which takes a second.
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise _misfit(x, y) from None


def _misfit(x: Tensor, y: Tensor) -> ShapeError:
    return ShapeError(
        "x and y don't fit together",
        got=f"{tuple(x.shape)} and {tuple(y.shape)}",
        expected="(… m d) and (… m' d) with leading axes that fit",
    )


def _length(x: Tensor) -> Tensor:
    """(… m d) → (… m 1)."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return length


def _unit(x: Tensor) -> Tensor:
    length = _length(x)
    return x / length.masked_fill(length <= ZERO_LENGTH, torch.inf)
