"""Parts of a network that are exported as one graph each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from fewact.backbones.card import Card, Level
from fewact.backbones.engines.folding import folded_tensors
from fewact.backbones.network import Network, StagedNetwork

PartName = Literal["early", "late", "network"]
IMAGES = "images"
PREFIX = "network."
"""Beginning of the names of a network's tensors in a graph."""


@dataclass(frozen=True)
class Part:
    """Part of a network with one input.

    Args:
        name: Name of the part.
        module: Module that computes the outputs, in this order; its ``network`` has the tensors.
        input: Name of the input: ``images``, or a level of the part before.
        outputs: Levels that the part computes.
        shape: Shape of the input.
    """

    name: PartName
    module: nn.Module
    input: str
    outputs: tuple[Level, ...]
    shape: tuple[int, ...]


def parts_of(network: Network, card: Card) -> tuple[Part, ...]:
    """Return the parts of a network in the order of computation.

    A staged network is cut where its ``middle`` is, so that the ``middle`` alone costs no more
    than it must; ``shallow`` alone takes only a part of a run of its graph. The number of images of
    a run is fixed: the fewest that the network takes.
    """
    count = network.frames_together
    images = (count, 3, *card.input_size)
    if isinstance(network, StagedNetwork) and card.middle is not None:
        return (
            Part("early", _Early(network), IMAGES, ("shallow", "middle"), images),
            Part("late", _Late(network), "middle", ("maps", "vectors"), (count, *card.middle)),
        )
    levels: Sequence[Level] = ("maps", "vectors")
    levels = tuple(level for level in levels if card.has(level))
    return (Part("network", _Levels(network, levels), IMAGES, tuple(levels), images),)


class _Early(nn.Module):
    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network(images, ("shallow", "middle"))
        return found["shallow"], found["middle"]


class _Late(nn.Module):
    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, middle: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.network.to_maps(middle)
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
