"""Batch norm folded into the convolution before it.

In evaluation mode batch norm is linear: γ (W x − μ) / √(σ² + ε) + β is a convolution with the
weights W γ / √(σ² + ε) and the bias β − μ γ / √(σ² + ε). Both are computed in float64.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fewact.backbones.network import Network


def folded(network: Network) -> Network:
    """Return a network whose convolutions contain the batch norm that follows them.

    Returns:
        Copy with ``nn.Identity`` for each batch norm; the network itself if it does not say that
        its batch norms can be folded, see ``Network.norms_follow_convolutions``.
    """
    if not network.norms_follow_convolutions:
        return network
    tensors = folded_tensors(network)
    network = copy.deepcopy(network)
    for convolution, norm, _ in list(_pairs(network)):
        module = network.get_submodule(convolution)
        module.bias = nn.Parameter(tensors[f"{convolution}.bias"])
        parent, _, name = norm.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
    network.load_state_dict(tensors)
    return network


@torch.no_grad()
def folded_tensors(network: Network) -> dict[str, Tensor]:
    """Return the tensors of ``folded(network)`` by name, without a copy of the network."""
    tensors: dict[str, Tensor] = network.state_dict()
    if not network.norms_follow_convolutions:
        return tensors
    for convolution, norm, module in _pairs(network):
        # On the CPU: not every device has float64.
        own = {name: tensors.pop(f"{norm}.{name}").cpu().double() for name in module.state_dict()}
        kernel, old = tensors[f"{convolution}.weight"], tensors.get(f"{convolution}.bias")  # (c …)
        scale = own["weight"] / (own["running_var"] + module.eps).sqrt()  # (c)
        before = 0.0 if old is None else old.cpu().double()
        bias = own["bias"] + (before - own["running_mean"]) * scale
        folded_kernel = kernel.cpu().double() * scale.view(-1, 1, 1, 1)
        tensors[f"{convolution}.weight"] = folded_kernel.to(kernel)
        tensors[f"{convolution}.bias"] = bias.to(kernel)
    return tensors


def _pairs(network: Network) -> Iterator[tuple[str, str, nn.BatchNorm2d]]:
    """Yield each batch norm with the name of the convolution before it and its own.

    Raises:
        TypeError: The module before a batch norm is no convolution.
    """
    for parent, module in network.named_modules():
        prefix = f"{parent}." if parent else ""
        before: tuple[str, nn.Module | None] = ("", None)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                if not isinstance(before[1], nn.Conv2d):
                    raise TypeError(f"batch norm after {type(before[1]).__name__}")
                yield prefix + before[0], prefix + name, child
            before = name, child
