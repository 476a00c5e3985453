"""ResNet-50, of torchvision or transformers, and CLIP's.

The first is v1.5, with the stride in the 3×3 convolution. CLIP's network (Radford et al., 2021,
section 2.4) has OpenAI's layout and differs in three points. Three convolutions and average pooling
replace the first convolution. Average pooling replaces strides. Attention pools and projects the
maps into the space of the text embeddings.
"""

import re
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.core.errors import WeightsError
from fewact.lab.networks.network import StagedNetwork
from fewact.networks.catalogue import CLIP_RN50, RESNET50, Description
from fewact.networks.weights import Arrays, Weights

# Expected entries of transformers' configuration: they change the features, but neither names nor
# shapes of tensors.
CONFIGURATION = {
    "model_type": "resnet",
    "hidden_act": "relu",
    "layer_type": "bottleneck",
    "downsample_in_bottleneck": False,
    "downsample_in_first_stage": False,
}

CELLS = 7 * 7
"""Positions of the maps that CLIP's attention pools."""


@dataclass(frozen=True)
class ResNet50Options:
    """Options of ResNet-50.

    Args:
        last_stride: Stride of the last stage. 2 is the published network with 7×7 maps; 1 gives
            14×14 maps, without dilation.
    """

    last_stride: Literal[1, 2] = 1


def _conv_norm(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = _conv_norm(inputs, width, 1)
        self.conv2, self.bn2 = _conv_norm(width, width, 3, stride)
        self.conv3, self.bn3 = _conv_norm(width, outputs, 1)
        equal_width = inputs == outputs
        self.downsample = nn.Sequential(
            *([] if equal_width else _conv_norm(inputs, outputs, 1, stride))
        )

    def forward(self, input: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(input)), inplace=True)
        x = self._shrink(F.relu(self.bn2(self.conv2(x)), inplace=True))
        x = self.bn3(self.conv3(x))
        return F.relu(x + self.downsample(self._shrink(input)), inplace=True)

    def _shrink(self, x: Tensor) -> Tensor:
        return x


class _PooledBottleneck(_Bottleneck):
    """Average pooling replaces strides."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__(inputs, width, 1)
        self.stride = stride

    def _shrink(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


def _stage(
    inputs: int, width: int, count: int, stride: int, block: type[_Bottleneck] = _Bottleneck
) -> nn.Sequential:
    further_blocks = (block(4 * width, width, 1) for _ in range(count - 1))
    return nn.Sequential(block(inputs, width, stride), *further_blocks)


class ResNet50(StagedNetwork):
    """ResNet-50 with torchvision's tensor names."""

    defaults = RESNET50
    norms_follow_convolutions = True
    Options = ResNet50Options
    head: ClassVar = ("fc.", "classifier.")

    def __init__(self, options: ResNet50Options) -> None:
        super().__init__(options)
        self.conv1, self.bn1 = _conv_norm(3, 64, 7, 2)
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
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
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


class _AttentionPool(nn.Module):
    """Attention with one query: the mean over all cells of the map."""

    def __init__(self, channels: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.zeros(1 + CELLS, channels))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, channels) for _ in range(3))
        self.c_proj = nn.Linear(channels, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps (n c 7 7) to vectors (n d)."""
        cells = maps.flatten(2).transpose(1, 2)  # (n 49 c)
        tokens = torch.cat([cells.mean(1, keepdim=True), cells], 1)  # (n 50 c)
        tokens = tokens + self.positional_embedding
        query, key, value = (
            projected.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (n heads 1|50 c/heads)
            for projected in (
                self.q_proj(tokens[:, :1]),
                self.k_proj(tokens),
                self.v_proj(tokens),
            )
        )
        pooled = F.scaled_dot_product_attention(query, key, value)
        vectors: Tensor = self.c_proj(pooled.flatten(1))
        return vectors


class _Visual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv_norm(3, 32, 3, 2)
        self.conv2, self.bn2 = _conv_norm(32, 32, 3)
        self.conv3, self.bn3 = _conv_norm(32, 64, 3)
        self.layer1 = _stage(64, 64, 3, 1, _PooledBottleneck)
        self.layer2 = _stage(256, 128, 4, 2, _PooledBottleneck)
        self.layer3 = _stage(512, 256, 6, 2, _PooledBottleneck)
        self.layer4 = _stage(1024, 512, 3, 2, _PooledBottleneck)
        self.attnpool = _AttentionPool(2048, 32, 1024)

    def to_shallow(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = F.relu(self.bn3(self.conv3(x)), inplace=True)
        shallow: Tensor = self.layer2(self.layer1(F.avg_pool2d(x, 2)))
        return shallow


class ClipResNet50(StagedNetwork):
    """CLIP's ResNet-50, under OpenAI's names.

    ``vectors`` are pooled by the network's attention, in the space of the text embeddings.
    """

    defaults = CLIP_RN50
    norms_follow_convolutions = True
    head: ClassVar = (
        "transformer.",
        "token_embedding.",
        "positional_embedding",
        "ln_final.",
        "text_projection",
        "logit_scale",
        "input_resolution",
        "context_length",
        "vocab_size",
    )

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.visual = _Visual()

    def to_shallow(self, images: Tensor) -> Tensor:
        """Compute (n 512 28 28) of images (n 3 224 224)."""
        return self.visual.to_shallow(images)

    def to_middle(self, shallow: Tensor) -> Tensor:
        """Compute (n 1024 14 14) from (n 512 28 28)."""
        middle: Tensor = self.visual.layer3(shallow)
        return middle

    def to_maps(self, middle: Tensor) -> Tensor:
        """Compute (n 2048 7 7) from (n 1024 14 14)."""
        maps: Tensor = self.visual.layer4(middle)
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """Pool maps (n 2048 7 7) to (n 1024), in the space of the text embeddings."""
        vectors: Tensor = self.visual.attnpool(maps)
        return vectors
