"""CLIP's ResNet-50, from OpenAI's layout (Radford et al., 2021, section 2.4).

It differs from ResNet-50 in three points: three convolutions and average pooling replace the first
convolution, average pooling replaces strides, and attention pools and projects the maps into the
space of the text embeddings.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewact.backbones.catalogue import CLIP_RN50
from fewact.backbones.network import StagedNetwork

CELLS = 7 * 7


def _conv_norm(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.stride = stride
        self.conv1, self.bn1 = _conv_norm(inputs, width, 1)
        self.conv2, self.bn2 = _conv_norm(width, width, 3)
        self.conv3, self.bn3 = _conv_norm(width, outputs, 1)
        equal_width = inputs == outputs
        self.downsample = nn.Sequential(*([] if equal_width else _conv_norm(inputs, outputs, 1)))

    def forward(self, input: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(input)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(self._shrink(x)))
        return F.relu(x + self.downsample(self._shrink(input)), inplace=True)

    def _shrink(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


def _stage(inputs: int, width: int, count: int, stride: int) -> nn.Sequential:
    further_blocks = (_Bottleneck(4 * width, width, 1) for _ in range(count - 1))
    return nn.Sequential(_Bottleneck(inputs, width, stride), *further_blocks)


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
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)
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
    text = "clip"
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
