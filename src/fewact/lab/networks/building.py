"""A backbone that runs its network by PyTorch."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fewact.core.options import make_options
from fewact.lab.networks import text_encoder
from fewact.lab.networks.devices import resolve_device, resolve_precision
from fewact.lab.networks.network import Network
from fewact.lab.networks.torch_engine import TorchEngine, normalise
from fewact.lab.networks.torch_weights import as_arrays, randomise, tensors_of
from fewact.networks import backbone, catalogue
from fewact.networks.backbone import Backbone
from fewact.networks.card import Card, Device, Level
from fewact.networks.weights import RANDOM_SEED, Weights, read


class TorchBackbone(Backbone):
    """Backbone whose network is a module of PyTorch.

    Args:
        network: Network in evaluation mode, with its weights, on its device.
        card: Facts of the network.
    """

    engine: TorchEngine

    def __init__(self, network: Network, card: Card) -> None:
        super().__init__(card, TorchEngine(network, card), "requested")
        self.network = network

    @property
    def torch_device(self) -> torch.device:
        """Device of the network."""
        return self.engine.torch_device

    @cached_property
    def text(self) -> Any:
        """Text encoder that was trained with the network; it is read when it is first used."""
        name = self.network.defaults.text
        if name is None:
            return super().text
        return text_encoder.create(name, weights=self.card.weights, device=self.torch_device)

    def normalise(self, frames: Tensor) -> Tensor:
        """Normalise prepared frames (n 3 H W) uint8 to float32, on the network's device."""
        return normalise(frames, self.card, self.network)

    def tensors(self, frames: Tensor, levels: Sequence[Level]) -> dict[Level, Tensor]:
        """Return features (t …) of prepared frames (n 3 H W) uint8, on the network's device."""
        return self.engine.tensors(frames, levels)


def build(
    name: str,
    *,
    weights: str,
    device: Device,
    precision: str,
    options: Mapping[str, Any],
    **reading: Any,
) -> TorchBackbone:
    """Create a backbone: its network, with weights, in evaluation mode, on its device.

    The arguments are the same as in ``fewact.networks.building.build``. The precision ``auto`` is
    bfloat16 for networks that gain from it on a CPU that multiplies it, otherwise float32.
    """
    network_class: type[Network] = catalogue.NETWORKS.get(name)
    chosen: Any = make_options(network_class.Options, options, of=name)
    resolved = resolve_device(device)
    named = weights in ("default", "random")
    found = Weights({}, weights) if named else read(weights)
    with torch.random.fork_rng(devices=[]):  # Layers draw initial weights.
        torch.default_generator.manual_seed(RANDOM_SEED)
        network = network_class(network_class.resolve(chosen, found)).float()
    if weights == "default":
        found = network.load_default()
    elif weights == "random":
        randomise(network)
    else:
        network.load(found)
    if precision == "auto" and not network.gains_from_bfloat16:
        precision = "float32"
    card = make_card(network, found, precision=resolve_precision(precision, resolved), **reading)
    network.eval().to(resolved, memory_format=network.memory_format)  # type: ignore[call-overload]
    return TorchBackbone(network, card)


def make_card(network: Network, weights: Weights, **choices: Any) -> Card:
    """Return the card of a network with its weights, see ``fewact.networks.backbone.make_card``."""
    return backbone.make_card(
        network.describe(),
        weights,
        as_arrays(tensors_of(network)) if weights.source != "random" else {},
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        **choices,
    )


def header_of(network: Network, card: Card) -> dict[str, str]:
    """Return a weights file's header that lets ``build`` make this network and card."""
    return {
        **network.header,
        "trained_on": ", ".join(card.trained_on),
        "licence": card.licence,
        "mean": ", ".join(map(str, card.mean)),
        "std": ", ".join(map(str, card.std)),
        "interpolation": card.interpolation,
    }
