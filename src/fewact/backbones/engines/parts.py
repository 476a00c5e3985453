"""Parts of a network that are exported as one graph each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from fewact.backbones.card import Card, Level
from fewact.backbones.engines.folding import folded_tensors
from fewact.backbones.network import Network, PairedNetwork, StagedNetwork

PartName = Literal["shallow", "middle", "late", "network"]
IMAGES = "images"
PREFIX = "network."
"""Beginning of the names of a network's tensors in a graph."""


@dataclass(frozen=True)
class Part:
    """Part of a network.

    Args:
        name: Name of the part.
        module: Module that computes the outputs, in this order; its ``network`` has the tensors.
        inputs: Shape of each input by its name: ``images``, or a level of a part before.
        outputs: Levels that the part computes.
    """

    name: PartName
    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[Level, ...]


def parts_of(network: Network, card: Card) -> tuple[Part, ...]:
    """Return the parts of a network in the order of computation.

    A staged network is cut where ``shallow`` and ``middle`` are, so that each alone costs no more
    than it must: ONNX Runtime computes all outputs of a graph, requested or not. The number of
    images of a run is fixed: the fewest that the network takes.
    """
    count = network.frames_together
    images = (count, 3, *card.input_size)
    if isinstance(network, StagedNetwork) and card.middle is not None and card.shallow is not None:
        shallow, middle = (count, *card.shallow), (count, *card.middle)
        late = Part("late", _Late(network), {"middle": middle}, ("maps", "vectors"))
        if isinstance(network, PairedNetwork):
            late = replace(
                late, module=_PairedLate(network), inputs={"middle": middle, IMAGES: images}
            )
        return (
            Part("shallow", _Shallow(network), {IMAGES: images}, ("shallow",)),
            Part("middle", _Middle(network), {"shallow": shallow}, ("middle",)),
            late,
        )
    both: tuple[Level, ...] = ("maps", "vectors")
    levels = tuple(level for level in both if card.has(level))
    return (Part("network", _Levels(network, levels), {IMAGES: images}, levels),)


class _Stage(nn.Module):
    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network


class _Shallow(_Stage):
    def forward(self, images: Tensor) -> Tensor:
        return self.network.to_shallow(images)


class _Middle(_Stage):
    def forward(self, shallow: Tensor) -> Tensor:
        return self.network.to_middle(shallow)


class _Late(_Stage):
    def forward(self, middle: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.to_maps(middle)
        return maps, self.network.pool(maps)


class _PairedLate(_Stage):
    def forward(self, middle: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.last_maps(middle, images)
        return maps, self.network.pool(maps)


class _Levels(nn.Module):
    def __init__(self, network: Network, levels: tuple[Level, ...]) -> None:
        super().__init__()
        self.network, self._levels = network, levels

    def forward(self, images: Tensor) -> Any:
        found = self.network(images, self._levels)
        return tuple(found[level] for level in self._levels)


def tensors_for_graphs(network: Network) -> dict[str, Tensor]:
    """Return all tensors of a network, with batch norm folded, under their names in graphs."""
    return {PREFIX + name: tensor for name, tensor in folded_tensors(network).items()}
