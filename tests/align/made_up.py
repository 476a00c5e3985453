"""Costs and weights made from a seed."""

import torch


def costs(*shape, seed=0, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.rand(shape, generator=generator, dtype=dtype)


def weights(*shape, seed=0):
    """Positive, with total 1 along the last axis."""
    raw = costs(*shape, seed=seed) + 0.1
    return raw / raw.sum(-1, keepdim=True)


def shuffled(cost, seed=0):
    """Rows and columns in another order, the same for all problems."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.randperm(size, generator=generator) for size in cost.shape[-2:])
    return cost[..., rows, :][..., columns]
