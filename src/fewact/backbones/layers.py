"""Layers that more than one network is made of."""

from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A convolution whose output has ⌈size / stride⌉ places, padded as TensorFlow pads.

    What cannot be halved goes to the bottom and the right.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        # At stride 1 both sides get the same, which the convolution pads without a copy.
        padding = size // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, size, stride, padding, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(n c h w) to (n c' ⌈h/stride⌉ ⌈w/stride⌉)."""
        if self.stride[0] > 1:
            top, bottom = self._pad(input.shape[-2])
            left, right = self._pad(input.shape[-1])
            input = F.pad(input, (left, right, top, bottom))
        return super().forward(input)

    def _pad(self, size: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
