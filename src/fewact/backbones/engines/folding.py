"""Batch norm folded into the convolution before it."""

import copy

import torch
from torch import nn

from fewact.backbones.network import Network


def folded(network: Network) -> Network:
    """Return a network whose convolutions contain the batch norm that follows them.

    In evaluation mode batch norm is linear: γ (W x − μ) / √(σ² + ε) + β is a convolution with the
    weights W γ / √(σ² + ε) and the bias β − μ γ / √(σ² + ε). Both are computed in float64.

    Returns:
        Copy with ``nn.Identity`` for each batch norm; the network itself if it does not say that
        its batch norms can be folded, see ``Network.norms_follow_convolutions``.
    """
    if not network.norms_follow_convolutions:
        return network
    network = copy.deepcopy(network)
    for parent in network.modules():
        previous = ""
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                _fold(parent.get_submodule(previous), child)
                setattr(parent, name, nn.Identity())
            previous = name
    return network


@torch.no_grad()
def _fold(convolution: nn.Module, norm: nn.BatchNorm2d) -> None:
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError(f"batch norm after {type(convolution).__name__}")
    tensors = {name: tensor.double() for name, tensor in norm.state_dict().items()}  # (c) each
    scale = tensors["weight"] / (tensors["running_var"] + norm.eps).sqrt()
    old = 0.0 if convolution.bias is None else convolution.bias.double()
    bias = tensors["bias"] + (old - tensors["running_mean"]) * scale
    kernel = convolution.weight  # (c …)
    kernel.copy_(kernel.double() * scale.view(-1, 1, 1, 1))
    convolution.bias = nn.Parameter(bias.to(kernel.dtype))
