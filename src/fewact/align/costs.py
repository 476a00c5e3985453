"""Costs of matching the nodes of videos: one minus their cosine; and their inner products."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import fewact.align as package
from fewact.align._emd import instruction_sets
from fewact.align.alignment import needs_gradient
from fewact.align.transport import engine
from fewact.core.errors import OptionError, ShapeError
from fewact.core.machine import load_library
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
    _check_vectors(x, y)
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


def _check_vectors(x: Tensor, y: Tensor) -> None:
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


COPIED_BYTES = 32 * 2**20
"""Approximate limit for the memory of copied nodes, where there is no compiled kernel."""


def block_products(
    first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor
) -> Tensor:
    """Compute the products of the nodes of each first video of a block with each second one.

    Nodes of float32 on the CPU are read where they are, by a compiled kernel in the calling
    thread: a product does not depend on the other videos of its block, nor on the block's size.
    Other nodes, and those that need a gradient, are copied for a matrix product.

    Args:
        first: (v m D) nodes of videos.
        first_rows: (b q) int64, the first videos of each block.
        second: (w m' D).
        second_rows: (b p), the second videos of each block.

    Returns:
        (b q p m m').

    Raises:
        ShapeError: The shapes don't fit, or a row is outside of the bank.

    >>> bank = torch.eye(2)[:, None]  # two videos of one node
    >>> block_products(bank, torch.tensor([[0]]), bank, torch.tensor([[0, 1]])).flatten()
    tensor([1., 0.])
    """
    _check_blocks(first, first_rows, second, second_rows)
    banks = (first, second)
    isa = _instruction_set()
    if (
        isa is not None
        and not any(map(needs_gradient, banks))
        and all(bank.dtype == torch.float32 and bank.device.type == "cpu" for bank in banks)
    ):
        return _compiled(first, first_rows, second, second_rows, isa)
    return _by_copies(first, first_rows, second, second_rows)


def _by_copies(first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor) -> Tensor:
    """Multiply copies of the nodes, some blocks at a time."""
    block = (first_rows.shape[1] * first[0].numel() + second_rows.shape[1] * second[0].numel()) * 4
    size = max(1, COPIED_BYTES // max(1, block))
    shape = (first_rows.shape[1], first.shape[1], second_rows.shape[1], second.shape[1])
    parts = [
        (first[x].flatten(1, 2) @ second[y].flatten(1, 2).mT).view(-1, *shape).transpose(2, 3)
        for x, y in zip(first_rows.split(size), second_rows.split(size), strict=True)
    ]
    return torch.cat(parts)


def _instruction_set() -> int | None:
    """Return the instruction set of the compiled kernel, the solver's; None where there is none."""
    name, _ = engine()
    if name == "torch":
        return None
    try:
        products_library()
    except OSError:
        return None
    return instruction_sets()[name]


@cache
def products_library() -> ctypes.CDLL:
    """Load the compiled kernel of products.

    Raises:
        OSError: The library is not built, is outdated, or cannot be loaded on this system.
    """
    folders = [f"{folder}/_products" for folder in package.__path__]
    loaded = load_library("fewact_products", folders, version=1)
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    sides: list[Any] = [pointer, pointer, size, size] * 2
    loaded.fewact_products.restype = ctypes.c_int
    loaded.fewact_products.argtypes = [ctypes.c_int, size, size, *sides, pointer]
    return loaded


def _compiled(
    first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor, isa: int
) -> Tensor:
    """Multiply in the calling thread; the GIL is released meanwhile."""
    (b, q), p = first_rows.shape, second_rows.shape[1]
    products = torch.empty(b, q, p, first.shape[1], second.shape[1], dtype=torch.float32)
    sides = [
        (nodes.contiguous(), rows.contiguous())
        for nodes, rows in ((first, first_rows), (second, second_rows))
    ]
    arguments = (
        argument
        for nodes, rows in sides
        for argument in (nodes.data_ptr(), rows.data_ptr(), rows.shape[1], nodes.shape[1])
    )
    kernel = products_library().fewact_products
    if kernel(isa, b, first.shape[2], *arguments, products.data_ptr()):
        raise MemoryError("products of nodes")
    return products


def _check_blocks(first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor) -> None:
    blocks = []
    for name, bank, rows in (("first", first, first_rows), ("second", second, second_rows)):
        check_tensor(bank, "v m D", name)
        blocks.append(check_tensor(rows, "b s", f"{name}_rows")["b"])
        if rows.dtype != torch.int64 or not 0 <= int(rows.min()) <= int(rows.max()) < len(bank):
            raise ShapeError(
                "there are no such videos",
                where=f"{name}_rows",
                got=f"{rows.dtype}, {rows.min()} to {rows.max()}",
                expected=f"int64, 0 to {len(bank) - 1}",
            )
    if first.shape[2] != second.shape[2] or blocks[0] != blocks[1]:
        raise ShapeError(
            "first and second don't fit together",
            where="block_products",
            got=f"nodes of {first.shape[2]} and {second.shape[2]} numbers, "
            f"{blocks[0]} and {blocks[1]} blocks",
            expected="nodes of one length, and the same number of blocks",
        )
