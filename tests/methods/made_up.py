"""Random numbers for the tests of methods."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of a normal distribution, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    """The same numbers as an array."""
    return drawn(*shape, seed=seed).numpy()


def uniform(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    """Random numbers from 0 to 1, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).numpy()


def assert_close(found: ArrayLike, expected: ArrayLike, **tolerances: Any) -> None:
    """Compare arrays as ``torch.testing.assert_close`` compares tensors, but for their types."""
    single = any(np.asarray(x).dtype == np.float32 for x in (found, expected))
    defaults = {"rtol": 1.3e-6, "atol": 1e-5} if single else {"rtol": 1e-7, "atol": 1e-7}
    np.testing.assert_allclose(found, expected, **{**defaults, **tolerances})
