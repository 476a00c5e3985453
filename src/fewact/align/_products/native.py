"""Interface to the compiled products."""

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor

import fewact.align._products as package
from fewact.core.machine import load_library

VERSION = 1
"""Version of the library's interface."""


@cache
def library() -> ctypes.CDLL:
    """Load the library.

    Raises:
        OSError: The library is not built, is outdated, or cannot be loaded on this system.
    """
    loaded = load_library("fewact_products", package.__path__, version=VERSION)
    size, pointer = ctypes.c_int64, ctypes.c_void_p
    sides: list[Any] = [pointer, pointer, size, size] * 2
    loaded.fewact_products.restype = ctypes.c_int
    loaded.fewact_products.argtypes = [ctypes.c_int, size, size, *sides, pointer]
    return loaded


def multiply(
    first: Tensor, first_rows: Tensor, second: Tensor, second_rows: Tensor, *, isa: int
) -> Tensor:
    """Compute the products in the calling thread; the GIL is released meanwhile.

    Args:
        first: (v m D) float32 on the CPU, contiguous.
        first_rows: (b q) int64, contiguous, rows of ``first``: they are not checked.
        second: (w m' D).
        second_rows: (b p).
        isa: Instruction set, a value of ``_emd.native.instruction_sets()``.

    Returns:
        (b q p m m').

    Raises:
        MemoryError: There is not enough memory.
    """
    (b, q), p = first_rows.shape, second_rows.shape[1]
    products = torch.empty(b, q, p, first.shape[1], second.shape[1], dtype=torch.float32)
    sides = (
        (nodes.data_ptr(), rows.data_ptr(), rows.shape[1], nodes.shape[1])
        for nodes, rows in ((first, first_rows), (second, second_rows))
    )
    arguments = (argument for side in sides for argument in side)
    if library().fewact_products(isa, b, first.shape[2], *arguments, products.data_ptr()):
        raise MemoryError("products of nodes")
    return products
