"""The engine ``torch``: the network itself, on any device and in any precision.

In float32 batch norm is folded into the convolution before it. In evaluation mode it is linear:
γ (W x − μ) / √(σ² + ε) + β is a convolution with the weights W γ / √(σ² + ε) and the bias
β − μ γ / √(σ² + ε). Both are computed in float64.
"""

import copy
from collections.abc import Collection, Iterator
from functools import cached_property

import torch
from torch import Tensor, nn

from fewact.backbones.card import EngineName, Level
from fewact.backbones.devices import exact_convolutions
from fewact.backbones.network import Network

# Few images fit a CPU's cache. Four at a time are a third faster than one at a time, and were
# measured to give equal features up to rounding.
IMAGES_AT_ONCE_CPU = 4
IMAGES_AT_ONCE_GPU = 64


class TorchEngine:
    """Runs a network.

    Where batch norm is folded, later changes of its weights have no effect: a copy runs, which is
    made at the first run.

    Args:
        network: Network in evaluation mode, on its device.
        precision: Precision of its arithmetic, ``float32`` or ``bfloat16``.
    """

    name: EngineName = "torch"

    def __init__(self, network: Network, precision: str) -> None:
        self.memory_format = network.memory_format
        self._network, self._precision = network, precision
        self._device = next(network.parameters()).device
        together = network.frames_together
        at_once = IMAGES_AT_ONCE_CPU if self._device.type == "cpu" else IMAGES_AT_ONCE_GPU
        self.images_at_once = max(1, at_once // together) * together

    @cached_property
    def _folded(self) -> Network:
        """The network, in float32 with batch norm folded; bfloat16 rounds folded weights more."""
        return self._network if self._precision == "bfloat16" else folded(self._network)

    # The mode belongs to the thread that computes.
    @torch.inference_mode()
    def run(self, images: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of the requested levels, see ``Engine``."""
        lower = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._precision == "bfloat16"
        )
        with lower, exact_convolutions(self._device):
            features = self._folded(images, levels)
        return {level: value.float().contiguous() for level, value in features.items()}


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
        norm_tensors = {
            name: tensors.pop(f"{norm}.{name}").cpu().double() for name in module.state_dict()
        }
        kernel, old = tensors[f"{convolution}.weight"], tensors.get(f"{convolution}.bias")  # (c …)
        scale = norm_tensors["weight"] / (norm_tensors["running_var"] + module.eps).sqrt()  # (c)
        before = 0.0 if old is None else old.cpu().double()
        bias = norm_tensors["bias"] + (before - norm_tensors["running_mean"]) * scale
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
