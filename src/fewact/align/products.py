"""Inner products of the nodes of videos, which are rows of a bank."""

import torch
from torch import Tensor

from fewact.align._emd import native as solver
from fewact.align._products import native
from fewact.align.alignment import needs_gradient
from fewact.align.transport import engine
from fewact.core.errors import ShapeError
from fewact.core.shapes import check_tensor

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
    _check(first, first_rows, second, second_rows)
    banks = (first, second)
    isa = _instruction_set()
    if (
        isa is not None
        and not any(map(needs_gradient, banks))
        and all(bank.dtype == torch.float32 and bank.device.type == "cpu" for bank in banks)
    ):
        first, second = first.contiguous(), second.contiguous()
        rows = (first_rows.contiguous(), second_rows.contiguous())
        return native.multiply(first, rows[0], second, rows[1], isa=isa)
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
    name = engine().name
    if name == "torch":
        return None
    try:
        native.library()
    except OSError:
        return None
    return solver.instruction_sets()[name]


def _check(first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor) -> None:
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
