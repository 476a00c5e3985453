"""The network inside a backbone, and its taps."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from fewact.backbones.card import Level
from fewact.backbones.catalogue import Description
from fewact.backbones.weights import Weights
from fewact.errors import WeightsError


@dataclass(frozen=True)
class NoOptions:
    """Of a network that has no options."""


class Network(nn.Module, ABC):
    """A network whose layers can be tapped; differentiable.

    Args:
        options: What its class's ``settle`` gives.
    """

    usual: ClassVar[Description]
    Options: ClassVar[type] = NoOptions
    head: ClassVar[tuple[str, ...]] = ()
    """How the names of tensors begin that no tap depends on; they are left unread."""
    text: ClassVar[str | None] = None
    """The name of the text encoder that is in the same weights."""
    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options

    @abstractmethod
    def forward(
        self, images: Tensor, names: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """The taps asked for, computed no deeper than the deepest of them.

        Args:
            images: (n 3 H W), normalised.
            names: Which taps.

        Returns:
            ``middle`` (n c h w), ``maps`` (n c' h' w'), ``vectors`` (n d) by name, n counting
            output slots.
        """

    def describe(self) -> Description:
        """Facts of the network with its options."""
        return self.usual

    @property
    def frames_together(self) -> int:
        """Input frames that the network sees together, a multiple of those to a slot."""
        return self.describe().frames_per_slot

    @classmethod
    def settle(cls, options: Any, weights: Weights) -> Any:
        """The options that these weights ask for, where the given ones leave it open.

        Raises:
            WeightsError: The weights are of another variant of the network.
        """
        return options

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of any layout that can be read, under the network's own names."""
        return dict(tensors)

    def load_default(self) -> Weights:
        """Read the weights that come with fewact.

        Raises:
            WeightsError: None come with it, or they cannot be read.
        """
        raise WeightsError(
            "no weights come with this backbone",
            where=self.usual.name,
            got="weights='default'",
            expected=f"{self.usual.needs}, hf-hub:owner/name, local-dir:folder, 'random'",
        )


class StagedNetwork(Network):
    """A convolutional network of two halves that meet at stride 16."""

    memory_format: ClassVar[torch.memory_format] = torch.channels_last

    @abstractmethod
    def early(self, images: Tensor) -> Tensor:
        """Normalised images (n 3 H W) to the last block at stride 16 (n c h w)."""

    @abstractmethod
    def late(self, middle: Tensor) -> Tensor:
        """The last block at stride 16 (n c h w) to the last stage's maps (n c' h' w')."""

    def pool(self, maps: Tensor) -> Tensor:
        """The last stage's maps (n c' h' w') to vectors (n c'): their mean."""
        # A mean that is rounded to bfloat16 would lose what 49 places have won.
        return maps.mean((2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))

    def forward(
        self, images: Tensor, names: Collection[Level] = ("vectors", "maps", "middle")
    ) -> dict[Level, Tensor]:
        """The taps asked for, computed no deeper than the deepest of them."""
        levels: dict[Level, Tensor] = {}
        middle = self.early(images)
        if "middle" in names:
            levels["middle"] = middle
        if "maps" in names or "vectors" in names:
            maps = self.late(middle)
            if "maps" in names:
                levels["maps"] = maps
            if "vectors" in names:
                levels["vectors"] = self.pool(maps)
        return levels


def randomise(network: nn.Module, seed: int) -> None:
    """Give a network weights that keep the size of its activations, from a seed alone."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, generator=generator)
