"""ResNet-50 (v1.5: stride in the 3×3 convolution), from torchvision's or transformers' layout."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones.catalogue import RESNET50, Description
from fewact.backbones.network import StagedNetwork
from fewact.backbones.weights import Weights
from fewact.core.errors import WeightsError

# Expected entries of transformers' configuration: they change the features, but neither names nor
# shapes of tensors.
CONFIGURATION = {
    "model_type": "resnet",
    "hidden_act": "relu",
    "layer_type": "bottleneck",
    "downsample_in_bottleneck": False,
    "downsample_in_first_stage": False,
}


@dataclass(frozen=True)
class ResNet50Options:
    """Options of ResNet-50.

    Args:
        last_stride: Stride of the last stage. 2 is the published network with 7×7 maps; 1 gives
            14×14 maps, without dilation.
    """

    last_stride: Literal[1, 2] = 1


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if inputs != outputs
            else nn.Identity()
        )

    def forward(self, input: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(input)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x + self.downsample(input), inplace=True)


def _stage(inputs: int, width: int, count: int, stride: int) -> nn.Sequential:
    further_blocks = (_Bottleneck(4 * width, width, 1) for _ in range(count - 1))
    return nn.Sequential(_Bottleneck(inputs, width, stride), *further_blocks)


class ResNet50(StagedNetwork):
    """ResNet-50 with torchvision's tensor names."""

    defaults = RESNET50
    norms_follow_convolutions = True
    Options = ResNet50Options
    head: ClassVar = ("fc.", "classifier.")

    def __init__(self, options: ResNet50Options) -> None:
        super().__init__(options)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, options.last_stride)

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute (n 512 28 28) of images (n 3 224 224)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(images)), inplace=True), 3, 2, 1)
        shallow: Tensor = self.layer2(self.layer1(x))
        return shallow

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute (n 1024 14 14) from (n 512 28 28)."""
        middle: Tensor = self.layer3(shallow)
        return middle

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute (n 2048 14 14) from (n 1024 14 14); 7×7 maps at ``last_stride`` 2."""
        maps: Tensor = self.layer4(middle)
        return maps

    def describe(self) -> Description:
        """Return the facts of the network; ``last_stride`` decides the shape of the maps."""
        side = 14 // self.options.last_stride
        return replace(self.defaults, maps=(2048, side, side))

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Any:
        """Return the options, after checking that the configuration is ResNet-50 v1.5."""
        if "model_type" in weights.config:
            for key, expected in CONFIGURATION.items():
                got = weights.config.get(key, expected)
                if got != expected:
                    raise WeightsError(
                        "the configuration is of another network",
                        where=weights.source,
                        got=f"{key} = {got!r}",
                        expected=f"{key} = {expected!r}",
                    )
        return options

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of either layout under torchvision's names."""
        return {_torchvision_name(name): tensor for name, tensor in tensors.items()}


def _torchvision_name(name: str) -> str:
    """Translate a tensor name of transformers to torchvision's; return other names unchanged.

    >>> _torchvision_name("resnet.encoder.stages.0.layers.2.layer.1.normalization.bias")
    'layer1.2.bn2.bias'
    """
    inner = name.removeprefix("resnet.")
    if match := re.fullmatch(r"embedder\.embedder\.(convolution|normalization)\.(\w+)", inner):
        return f"{'conv1' if match[1] == 'convolution' else 'bn1'}.{match[2]}"
    in_block = re.fullmatch(
        r"encoder\.stages\.(\d+)\.layers\.(\d+)\.(?:shortcut|layer\.(\d+))"
        r"\.(convolution|normalization)\.(\w+)",
        inner,
    )
    if in_block is None:
        return name
    stage, block, layer, operation, tensor = in_block.groups()
    if layer is None:
        part = f"downsample.{0 if operation == 'convolution' else 1}"
    else:
        part = f"{'conv' if operation == 'convolution' else 'bn'}{int(layer) + 1}"
    return f"layer{int(stage) + 1}.{block}.{part}.{tensor}"
