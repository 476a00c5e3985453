"""The network inside a backbone, and the feature levels that it computes."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.core.errors import WeightsError
from fewact.core.options import NoOptions
from fewact.lab.networks.torch_weights import put
from fewact.networks.card import Level
from fewact.networks.catalogue import Description
from fewact.networks.packaged import no_default_weights
from fewact.networks.weights import Arrays, Weights


class Network(nn.Module, ABC):
    """Network that computes features of several levels; differentiable.

    Args:
        options: Options as returned by ``resolve``.
    """

    defaults: ClassVar[Description]
    """Facts of the network with default weights and options."""
    Options: ClassVar[type] = NoOptions
    head: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of tensors that no feature depends on; they are not loaded."""
    memory_format: ClassVar[torch.memory_format] = torch.contiguous_format
    norms_follow_convolutions: ClassVar[bool] = False
    """Whether the input of each ``BatchNorm2d`` is the output of the ``Conv2d`` before it, among
    the children of their parent, and nothing else reads that output; engines then fold it."""

    gains_from_bfloat16: ClassVar[bool] = True
    """Whether torch in bfloat16 is faster than what ``auto`` computes in float32, on a CPU that
    multiplies bfloat16; depthwise convolutions gain little."""

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options

    @abstractmethod
    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """Return features of the requested levels, computed no deeper than needed.

        Args:
            images: Normalised images (n 3 H W), n a multiple of ``frames_together``.
            levels: Requested levels, without ``pixels``.

        Returns:
            Features by level: ``shallow`` and ``middle`` (t c h w), ``maps`` (t c' h' w') and
            ``vectors`` (t d), of t = n / ``frames_per_slot`` output slots; shapes as on the card.
        """

    def describe(self) -> Description:
        """Return the facts of the network with its options."""
        return self.defaults

    @property
    def frames_together(self) -> int:
        """Number of input frames that the network reads together, a multiple of a slot's."""
        return self.describe().frames_per_slot

    @property
    def header(self) -> dict[str, str]:
        """Entries of a weights file's header that let ``resolve`` make this network again."""
        return {}

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Any:
        """Return the options with values that depend on the weights filled in.

        Raises:
            WeightsError: The weights are of another variant of the network.
        """
        return options

    @classmethod
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return tensors of any supported layout under the network's own names."""
        return dict(tensors)

    def load(self, weights: Weights) -> None:
        """Load weights, all of them or none.

        Raises:
            WeightsError: A tensor is missing, unknown, of another shape or type, or not finite.
        """
        renamed = self.rename(weights.tensors)
        if len(renamed) < len(weights.tensors):
            raise WeightsError(
                "the same tensor is in the file under two names", where=weights.source
            )
        needed = {
            name: tensor for name, tensor in renamed.items() if not name.startswith(self.head)
        }
        facts = self.defaults
        put(needed, self, of=facts.name, source=weights.source, expected=facts.needs)

    def load_default(self) -> Weights:
        """Load the weights that come with fewact, and return them.

        Raises:
            WeightsError: This backbone comes without weights, or they cannot be read.
        """
        raise no_default_weights(self.defaults)


class StagedNetwork(Network):
    """Convolutional network of three parts that meet at strides 8 and 16."""

    memory_format: ClassVar[torch.memory_format] = torch.channels_last

    @abstractmethod
    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute the last block at stride 8 (n c h w) of normalised images (n 3 H W)."""

    @abstractmethod
    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute the last block at stride 16 (n c h w) from the last block at stride 8."""

    @abstractmethod
    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute the last stage's maps (n c' h' w') from the last block at stride 16 (n c h w).

        Callers use ``last_maps``, which contains the maps of a network beside this one, too.
        """

    def last_maps(self, middle: Tensor, images: Tensor) -> Tensor:
        """Compute (n c' h' w') from the last block at stride 16, and from the images (n 3 H W).

        A network beside this one reads the images.
        """
        return self.to_maps(middle)

    def pool(self, maps: Tensor) -> Tensor:
        """Pool the last stage's maps (n c' h' w') to vectors (n c'): their mean."""
        # The mean over 49 cells is more precise than bfloat16.
        return maps.mean((2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))

    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps", "middle", "shallow")
    ) -> dict[Level, Tensor]:
        """Return features of the requested levels, computed no deeper than needed."""
        features: dict[Level, Tensor] = {}
        shallow = self.to_shallow(images)
        if "shallow" in levels:
            features["shallow"] = shallow
        if set(levels) <= {"shallow"}:
            return features
        middle = self.to_middle(shallow)
        if "middle" in levels:
            features["middle"] = middle
        if "maps" in levels or "vectors" in levels:
            maps = self.last_maps(middle, images)
            if "maps" in levels:
                features["maps"] = maps
            if "vectors" in levels:
                features["vectors"] = self.pool(maps)
        return features


class PairedNetwork(StagedNetwork):
    """Network that joins its last stage with the last stage of a second network.

    Both read the same images. The stages of strides 8 and 16 need the first network only.
    """

    first: StagedNetwork
    second: StagedNetwork

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute the last block at stride 8 of the first network."""
        return self.first.to_shallow(images)

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute the last block at stride 16 of the first network."""
        return self.first.to_middle(shallow)

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute the last stage's maps of the first network."""
        return self.first.to_maps(middle)

    def last_maps(self, middle: Tensor, images: Tensor) -> Tensor:
        """Compute the last stage's maps of both networks, the channels of the second one last."""
        second = self.second(images, ("maps",))["maps"]
        return torch.cat([self.to_maps(middle), second], 1)


class SameConv2d(nn.Conv2d):
    """Convolution with an output of ⌈size / stride⌉ cells, padded as by TensorFlow.

    Uneven padding is larger at the bottom and on the right.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        # At stride 1 the padding is even, and the convolution adds it without a copy.
        padding = size // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, size, stride, padding, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (n c h w) to (n c' ⌈h/stride⌉ ⌈w/stride⌉)."""
        if self.stride[0] > 1:
            top, bottom = self._pad(input.shape[-2])
            left, right = self._pad(input.shape[-1])
            input = F.pad(input, (left, right, top, bottom))
        return super().forward(input)

    def _pad(self, size: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
