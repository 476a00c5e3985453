"""Layers that several networks use."""

from torch import Tensor, nn
from torch.nn import functional as F


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
