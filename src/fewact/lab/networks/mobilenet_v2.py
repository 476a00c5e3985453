"""MobileNet v2 1.0, as trained by torchvision or by TensorFlow."""

from typing import Any, ClassVar

from torch import Tensor, nn

from fewact.lab.networks.network import SameConv2d, StagedNetwork
from fewact.networks.catalogue import MOBILENET_V2, Description
from fewact.networks.packaged import PACKAGED_NETWORKS, MobileNetV2Options, Style
from fewact.networks.weights import Weights

PACKAGED = PACKAGED_NETWORKS[MOBILENET_V2.name]

# Expansion, channels, number of blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
BLOCKS_TO_STRIDE_8 = 1 + sum(stage[2] for stage in STAGES[:3])
BLOCKS_TO_STRIDE_16 = 1 + sum(stage[2] for stage in STAGES[:5])


def _conv(
    inputs: int, outputs: int, size: int, stride: int, groups: int, style: Style
) -> nn.Sequential:
    convolution = (
        SameConv2d(inputs, outputs, size, stride=stride, groups=groups)
        if style == "tensorflow"
        else nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class _Block(nn.Module):
    """Inverted residual block; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, style: Style) -> None:
        super().__init__()
        width = inputs * expand
        self.residual = inputs == outputs and stride == 1
        widen = [_conv(inputs, width, 1, 1, 1, style)] if expand > 1 else []
        self.conv = nn.Sequential(
            *widen,
            _conv(width, width, 3, stride, width, style),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, input: Tensor) -> Tensor:
        x: Tensor = self.conv(input)
        return input + x if self.residual else x


class MobileNetV2(StagedNetwork):
    """MobileNet v2 1.0 with torchvision's tensor names."""

    defaults = MOBILENET_V2
    norms_follow_convolutions = True
    Options = MobileNetV2Options
    head: ClassVar = ("classifier.",)
    gains_from_bfloat16 = False

    def __init__(self, options: MobileNetV2Options) -> None:
        super().__init__(options)
        layers: list[nn.Module] = [_conv(3, 32, 3, 2, 1, options.style)]
        inputs = 32
        for expand, outputs, count, first_stride in STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                layers.append(_Block(inputs, outputs, stride, expand, options.style))
                inputs = outputs
        layers.append(_conv(inputs, 1280, 1, 1, 1, options.style))
        self.features = nn.Sequential(*layers)

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute (n 32 28 28) of images (n 3 224 224)."""
        shallow: Tensor = self.features[:BLOCKS_TO_STRIDE_8](images)
        return shallow

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute (n 96 14 14) from (n 32 28 28)."""
        middle: Tensor = self.features[BLOCKS_TO_STRIDE_8:BLOCKS_TO_STRIDE_16](shallow)
        return middle

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute (n 1280 7 7) from (n 96 14 14)."""
        maps: Tensor = self.features[BLOCKS_TO_STRIDE_16:](middle)
        return maps

    def describe(self) -> Description:
        """Return the facts of the network; the style decides its normalisation and padding."""
        return PACKAGED.describe(self.options)

    @property
    def header(self) -> dict[str, str]:
        """Entry of a weights file's header that states the style."""
        return {"padding": self.options.style}

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Any:
        """Return the options; the style ``auto`` is read from the file's header."""
        return PACKAGED.resolve(options, weights)
