"""Weights of modules of PyTorch: loaded, named and hashed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.networks import weights as arrays
from fewact.networks.weights import COUNTER, Arrays, fitting


def put(tensors: Arrays, module: nn.Module, *, of: str, source: str, expected: str) -> None:
    """Load tensors of a file into a module, all of them or none; ``of`` is its name in messages.

    Raises:
        WeightsError: A tensor is missing, unknown, of another shape or type, or not finite.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors_of(module).items()}
    new = fitting(tensors, shapes, of=of, source=source, expected=expected)
    module.load_state_dict(as_tensors(new), strict=False)


def as_tensors(tensors: Arrays) -> dict[str, Tensor]:
    """Return arrays of a file as tensors, in the same memory where it can be written to."""
    return {
        name: torch.from_numpy(np.require(array, requirements=["C", "W"])).reshape(array.shape)
        for name, array in tensors.items()
    }


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return tensors as arrays for a file, contiguous, in the same memory on a CPU."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return all tensors of a network that features depend on, by name, contiguous for files."""
    state = module.state_dict().items()
    return {name: tensor.contiguous() for name, tensor in state if not name.endswith(COUNTER)}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors' bytes as float32, in the order of their names."""
    return arrays.digest(as_arrays({name: tensor.float() for name, tensor in tensors.items()}))


@torch.no_grad()
def randomise(network: nn.Module) -> None:
    """Initialise a network at random, so that activations keep their scale; seeded.

    Networks that come with fewact get the same weights as from ``fewact.networks.weights.random``.
    """
    kernels = {name: x for name, x in network.named_parameters() if x.dim() > 1}
    drawn = arrays.random({name: tuple(kernel.shape) for name, kernel in kernels.items()})
    for name, kernel in kernels.items():
        kernel.copy_(torch.from_numpy(drawn[name]))
