import pytest
import torch
from torch import nn

from fewact.lab.networks.network import SameConv2d


def slow_same(image, weight, stride):
    """TensorFlow's SAME convolution of one channel, place by place."""
    size, out = image.shape[0], -(-image.shape[0] // stride)
    kernel = weight.shape[0]
    before = max((out - 1) * stride + kernel - size, 0) // 2
    result = torch.zeros(out, out, dtype=image.dtype)
    for y in range(out):
        for x in range(out):
            for i in range(kernel):
                for j in range(kernel):
                    row, column = y * stride + i - before, x * stride + j - before
                    if 0 <= row < size and 0 <= column < size:
                        result[y, x] += image[row, column] * weight[i, j]
    return result


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_convolution_pads_as_tensorflow_does(size, kernel, stride):
    generator = torch.Generator().manual_seed(size)
    layer = SameConv2d(1, 1, kernel, stride=stride).double()
    nn.init.normal_(layer.weight, generator=generator)
    image = torch.randn(size, size, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(
        layer(image[None, None])[0, 0], slow_same(image, layer.weight[0, 0], stride)
    )
