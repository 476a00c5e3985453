"""Random numbers for the tests of methods."""

import torch


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of a normal distribution, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
