"""Costs of matching the nodes of videos: one minus cosine similarity. Inner products of nodes."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewact.align as package
from fewact.align._emd import instruction_sets
from fewact.align.transport import NOT_COMPILED, engine
from fewact.core.array_api import (
    Array,
    as_numpy,
    check_array,
    in_order,
    is_tensor,
    namespace,
    needs_gradient,
    on_cpu,
    without_autocast,
)
from fewact.core.errors import OptionError, ShapeError
from fewact.core.machine import load_library

ZERO_LENGTH = 1e-12
"""Vectors up to this length have no direction."""


def cosine_cost(x: Array, y: Array, eps: float = 0.01) -> Array:
    """Compute the cost 1 − x·y / (‖x‖‖y‖ + ε) of each vector of x with each of y.

    A zero vector has cost 1 with everything. With ε = 0 a vector of length up to 1e-12 counts as
    zero and gets no gradient. Products of two lengths must not overflow: in float32 vectors may
    be up to 1e19 long.

    The product copies leading axes that are broadcast: use ``pairwise_cosine_cost`` to compare each
    of q videos with each of s.

    Args:
        x: (… m d). Types narrower than float32, and any type inside autocast, are computed in
            float32; float64 stays float64.
        y: (… m' d). Leading axes broadcast.
        eps: ε ≥ 0, added to the product of the norms; published code has 0.01 or 0.

    Returns:
        (… m m').

    Raises:
        ShapeError: The vectors differ in length, or the leading axes don't fit.
        OptionError: ``eps`` is negative.

    >>> cosine_cost(np.array([[3.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 1.0]]), eps=0)
    array([[0., 1.]])
    """
    _check_vectors(x, y)
    _check_eps(eps)
    with without_autocast(x):
        cost: Array = _cosine_cost(*_of_one_type(x, y), float(eps))
    return cost


def pairwise_cosine_cost(x: Array, y: Array, eps: float = 0.01) -> Array:
    """Compute ``cosine_cost`` of each of q videos with each of s, in one product per episode.

    Errors are as for ``cosine_cost``.

    Args:
        x: (b q m d).
        y: (b s m' d).
        eps: As for ``cosine_cost``.

    Returns:
        (b q s m m').

    >>> pairwise_cosine_cost(np.ones((2, 3, 8, 16)), np.ones((2, 5, 8, 16))).shape
    (2, 3, 5, 8, 8)
    """
    first, second = check_array(x, "b q m d", "x"), check_array(y, "b s m' d", "y")
    if (first["b"], first["d"]) != (second["b"], second["d"]):
        raise _misfit(x, y)
    xp = namespace(x)
    left, right = (xp.reshape(side, (first["b"], -1, first["d"])) for side in (x, y))
    pairs = cosine_cost(left, right, eps)  # (b q·m s·m')
    shape = (first["b"], first["q"], first["m"], second["s"], second["m'"])
    cost: Array = xp.permute_dims(xp.reshape(pairs, shape), (0, 1, 3, 2, 4))
    return cost


def cosine_cost_of_products(products: Array, first: Any, second: Any, eps: float = 0.01) -> Array:
    """Compute ``cosine_cost`` of vectors whose inner products and squared norms are known.

    Errors are as for ``cosine_cost``.

    Args:
        products: (… m m').
        first: Squared norms of the first vectors, broadcastable with the products.
        second: Squared norms of the second vectors, likewise.
        eps: As for ``cosine_cost``.

    Returns:
        (… m m').

    >>> cosine_cost_of_products(np.array([6.0]), np.array([9.0]), np.array([4.0]), eps=0)
    array([0.])
    """
    _check_eps(eps)
    xp = namespace(products)
    smallest = ZERO_LENGTH**2
    lengths = [xp.sqrt(xp.clip(squares, smallest, None)) for squares in (first, second)]
    cosines: Any
    if eps == 0:
        inverse = [
            xp.where(squares <= smallest, 0.0, 1 / length)
            for squares, length in zip((first, second), lengths, strict=True)
        ]
        cosines = products * inverse[0] * inverse[1]
    else:
        cosines = products / (lengths[0] * lengths[1] + float(eps))
    cost: Array = 1 - cosines
    return cost


def _check_eps(eps: float) -> None:
    if not eps >= 0:
        raise OptionError("invalid ε", where="eps", got=repr(eps), expected="0 or more")


def _check_vectors(x: Any, y: Any) -> None:
    if check_array(x, "… m d", "x")["d"] != check_array(y, "… m' d", "y")["d"]:
        raise _misfit(x, y)
    try:
        np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise _misfit(x, y) from None


def _misfit(x: Any, y: Any) -> ShapeError:
    return ShapeError(
        "x and y don't fit together",
        got=f"{tuple(x.shape)} and {tuple(y.shape)}",
        expected="(… m d) and (… m' d) with leading axes that fit",
    )


def _of_one_type(x: Any, y: Any) -> tuple[Any, Any]:
    """Return arrays in float64 if one of them is, otherwise in float32."""
    xp = namespace(x)
    dtype = xp.float64 if xp.float64 in (x.dtype, y.dtype) else xp.float32
    return xp.astype(x, dtype, copy=False), xp.astype(y, dtype, copy=False)


def _cosine_cost(x: Any, y: Any, eps: float) -> Any:
    lengths = _length(x), _length(y)  # (… m 1), (… m' 1)
    if eps == 0:
        xp = namespace(x)
        lengths = tuple(xp.where(length <= ZERO_LENGTH, xp.inf, length) for length in lengths)
        return 1 - (x / lengths[0]) @ (y / lengths[1]).mT
    return 1 - x @ y.mT / (lengths[0] * lengths[1].mT + eps)


def _length(x: Any) -> Any:
    """(… m d) → (… m 1)."""
    if is_tensor(x):
        return namespace(x).linalg.vector_norm(x, axis=-1, keepdims=True)
    return np.sqrt(np.vecdot(x, x))[..., None]  # without an array of the squares


COPIED_BYTES = 32 * 2**20
"""Approximate limit for the memory of copied nodes, where there is no compiled kernel."""


def block_products(first: Array, first_rows: Any, second: Array, second_rows: Any) -> Array:
    """Compute the products of the nodes of each first video of a block with each second one.

    A compiled kernel reads float32 nodes on the CPU without a copy, in the calling thread. A
    product then depends neither on the other videos of its block nor on the block's size. All
    other nodes are copied for a matrix product, including nodes that need a gradient.

    Args:
        first: (v m D) nodes of videos.
        first_rows: (b q) int64, the first videos of each block.
        second: (w m' D).
        second_rows: (b p), the second videos of each block.

    Returns:
        (b q p m m').

    Raises:
        ShapeError: The shapes don't fit, or a row is outside of the bank.

    >>> bank = np.eye(2)[:, None]  # two videos of one node
    >>> block_products(bank, np.array([[0]]), bank, np.array([[0, 1]])).ravel()
    array([1., 0.])
    """
    _check_blocks(first, first_rows, second, second_rows)
    xp = namespace(first)
    isa = _instruction_set()
    sides: Any = (first, first_rows, second, second_rows)
    products: Array
    if (
        isa is None
        or needs_gradient(first, second)
        or not all(bank.dtype == xp.float32 and on_cpu(bank) for bank in sides[::2])
    ):
        products = _by_copies(*sides)
    else:
        products = xp.asarray(_compiled(isa, *map(as_numpy, sides)))
    return products


def _by_copies(first: Any, first_rows: Any, second: Any, second_rows: Any) -> Any:
    """Multiply copies of the nodes, some blocks at a time."""
    xp = namespace(first)
    (b, q), p = first_rows.shape, second_rows.shape[1]
    (_, m, d), u = first.shape, second.shape[1]
    size = max(1, COPIED_BYTES // (4 * d * (q * m + p * u)))
    parts = []
    for start in range(0, b, size):
        x, y = first_rows[start : start + size], second_rows[start : start + size]
        left = xp.reshape(first[x], (x.shape[0], q * m, d))
        right = xp.reshape(second[y], (y.shape[0], p * u, d))
        products = xp.reshape(left @ right.mT, (x.shape[0], q, m, p, u))
        parts.append(xp.permute_dims(products, (0, 1, 3, 2, 4)))
    return xp.concat(parts)


def _instruction_set() -> int | None:
    """Return the instruction set of the compiled kernel; None without a kernel or a solver."""
    name, _ = engine()
    if name == NOT_COMPILED:
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
    isa: int,
    first: NDArray[np.float32],
    first_rows: NDArray[np.int64],
    second: NDArray[np.float32],
    second_rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Multiply in the calling thread; the GIL is released meanwhile."""
    (b, q), p = first_rows.shape, second_rows.shape[1]
    products = np.empty((b, q, p, first.shape[1], second.shape[1]), np.float32)
    sides = [
        (in_order(nodes), in_order(rows))
        for nodes, rows in ((first, first_rows), (second, second_rows))
    ]
    arguments = (
        argument
        for nodes, rows in sides
        for argument in (nodes.ctypes.data, rows.ctypes.data, rows.shape[1], nodes.shape[1])
    )
    kernel = products_library().fewact_products
    if kernel(isa, b, first.shape[2], *arguments, products.ctypes.data):
        raise MemoryError("products of nodes")
    return products


def _check_blocks(first: Any, first_rows: Any, second: Any, second_rows: Any) -> None:
    int64 = namespace(first_rows).int64
    blocks = []
    for name, bank, rows in (("first", first, first_rows), ("second", second, second_rows)):
        check_array(bank, "v m D", name)
        blocks.append(check_array(rows, "b s", f"{name}_rows")["b"])
        if rows.dtype != int64 or not 0 <= int(rows.min()) <= int(rows.max()) < len(bank):
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
