"""Symmetric matrices as vectors: their upper triangle, row by row."""

from math import isqrt

import torch
from torch import Tensor

from fewact.core.errors import ShapeError
from fewact.core.shapes import check_tensor


def upper_triangle(matrix: Tensor) -> Tensor:
    """Return the entries on and above the diagonal, row by row: (… d d) → (… d(d+1)/2).

    Off-diagonal entries are not weighted by √2.

    >>> upper_triangle(torch.tensor([[1, 2], [2, 3]]))
    tensor([1, 2, 3])
    """
    d = check_tensor(matrix, "… d d", "matrix")["d"]
    row, column = torch.triu_indices(d, d, device=matrix.device)
    return matrix.flatten(-2).index_select(-1, row * d + column)


def from_upper_triangle(vector: Tensor) -> Tensor:
    """Return the symmetric matrices with these upper triangles: (… d(d+1)/2) → (… d d).

    Raises:
        ShapeError: No matrix has an upper triangle of this length.

    >>> from_upper_triangle(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [2, 3]])
    """
    length = check_tensor(vector, "… D", "vector")["D"]
    d = (isqrt(8 * length + 1) - 1) // 2
    if d * (d + 1) // 2 != length:
        raise ShapeError(
            "no matrix has an upper triangle of this length",
            where="vector",
            got=str(length),
            expected="d(d+1)/2: 1, 3, 6, 10, …",
        )
    row, column = torch.triu_indices(d, d, device=vector.device)
    index = vector.new_zeros(d, d, dtype=torch.long)
    index[row, column] = index[column, row] = torch.arange(length, device=vector.device)
    return vector.index_select(-1, index.flatten()).view(*vector.shape[:-1], d, d)
