"""Features by PyTorch: on every device, in float32 and bfloat16.

Batch norm is folded into the convolution before it, but in bfloat16, which would round folded
weights more; see ``fewact.networks.packaged``.
"""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.core.workers import in_threads
from fewact.lab.networks.devices import exact_convolutions
from fewact.lab.networks.network import Network
from fewact.lab.networks.torch_weights import as_arrays, as_tensors, tensors_of
from fewact.lab.workers import torch_threads
from fewact.networks.backbone import mean_and_std
from fewact.networks.card import Card, Device, EngineName, Level
from fewact.networks.packaged import Norm
from fewact.networks.packaged import folded as folded_arrays

Piece = TypeVar("Piece")
Result = TypeVar("Result")

IMAGES_AT_ONCE_CPU = 4
"""Number of images of a run on a CPU: few fit its cache. Four at a time are a third faster than one
at a time, and were measured to give equal features up to rounding."""

IMAGES_AT_ONCE_GPU = 64


class TorchEngine:
    """Runs a network in evaluation mode, on its device.

    Where batch norm is folded, later changes of its weights have no effect: a copy runs, which is
    made at the first run.

    Args:
        network: Network with its weights, on its device.
        card: Card of the network.
    """

    name: EngineName = "torch"

    def __init__(self, network: Network, card: Card) -> None:
        self._network, self._card = network, card
        self.torch_device = next(network.parameters()).device
        self.frames_together = network.frames_together
        at_once = IMAGES_AT_ONCE_CPU if self.torch_device.type == "cpu" else IMAGES_AT_ONCE_GPU
        self.images_at_once = max(1, at_once // self.frames_together) * self.frames_together

    @property
    def device(self) -> Device:
        """Name of the device."""
        return str(self.torch_device)

    def run(
        self, frames: NDArray[np.uint8], levels: Sequence[Level]
    ) -> dict[Level, NDArray[np.float32]]:
        """Return features of prepared frames in the memory of the CPU, see ``Engine``."""
        features = self.tensors(torch.from_numpy(writable(frames)), levels)
        return {level: values.cpu().numpy() for level, values in features.items()}

    def tensors(self, frames: Tensor, levels: Sequence[Level]) -> dict[Level, Tensor]:
        """Return features (t …) of prepared frames (n 3 H W) uint8 on the device."""
        groups = torch.split(frames, self.images_at_once)
        on_cpu = self.torch_device.type == "cpu"
        run = self._run(levels)
        runs = torch_side_by_side(run, groups) if on_cpu else [run(group) for group in groups]
        # Joined outside of inference mode, so that methods can be trained on the result.
        return {level: torch.cat([one[level] for one in runs]) for level in levels}

    def _run(self, levels: Sequence[Level]) -> Callable[[Tensor], dict[Level, Tensor]]:
        @torch.inference_mode()  # The mode belongs to the thread that computes.
        def run(frames: Tensor) -> dict[Level, Tensor]:
            images = normalise(frames, self._card, self._network)
            kind, lower = self.torch_device.type, self._card.precision == "bfloat16"
            with (
                torch.autocast(kind, torch.bfloat16, enabled=lower),
                exact_convolutions(self.torch_device),
            ):
                features = self._folded(images, levels)
            return {level: value.float().contiguous() for level, value in features.items()}

        return run

    @cached_property
    def _folded(self) -> Network:
        return self._network if self._card.precision == "bfloat16" else folded(self._network)


def normalise(frames: Tensor, card: Card, network: Network) -> Tensor:
    """Return prepared frames (n 3 H W) uint8 as normalised float32, on a network's device."""
    device = next(network.parameters()).device
    images = frames.to(device, memory_format=network.memory_format).float()
    mean, std = (torch.from_numpy(one).to(device) for one in mean_and_std(card.mean, card.std))
    return images.sub_(mean).div_(std)


def writable(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return frames as torch takes them: neither read-only nor with negative strides."""
    fits = frames.flags.writeable and min(frames.strides, default=0) >= 0
    return frames if fits else frames.copy()


def torch_side_by_side(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """Run ``work`` on every piece, in as many threads as torch uses, of one core each."""
    return in_threads(work, pieces, _workers, torch.get_num_threads())


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return torch_threads(count, "fewact-torch", helped_by=count - 1)


def _forget_threads() -> None:
    """A forked child does not have its parent's threads, and would wait for them."""
    _workers.cache_clear()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def folded(network: Network) -> Network:
    """Return a network whose convolutions contain the batch norm that follows them.

    Returns:
        Copy with ``nn.Identity`` for each batch norm; the network itself if it does not say that
        its batch norms can be folded, see ``Network.norms_follow_convolutions``.
    """
    if not network.norms_follow_convolutions:
        return network
    norms = list(norms_of(network))
    tensors = as_tensors(folded_arrays(as_arrays(tensors_of(network)), norms))
    network = copy.deepcopy(network)
    for convolution, norm, _ in norms:
        module: Any = network.get_submodule(convolution)
        module.bias = nn.Parameter(tensors[f"{convolution}.bias"].to(module.weight))
        parent, _, name = norm.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
    network.load_state_dict(tensors)
    return network


def norms_of(network: nn.Module) -> Iterator[Norm]:
    """Yield the batch norms of a network, each after a convolution."""
    for parent, module in network.named_modules():
        prefix = f"{parent}." if parent else ""
        before: tuple[str, nn.Module | None] = ("", None)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                if not isinstance(before[1], nn.Conv2d):
                    raise TypeError(f"batch norm after {type(before[1]).__name__}")
                yield Norm(prefix + before[0], prefix + name, child.eps)
            before = name, child
