"""The network of learned motion, as it is trained; ``fusion`` runs its ONNX graph.

It reads images of differences, so that neither clothes nor background matter, and gives a vector
for each frame; performances of one motion by other figures, of another size, speed and extent, are
near to each other. It was trained on thousands of motions that a grammar draws
(docs/decisions/fusion.md); no real video was used. It also says how sure it is
that the images show one moving figure, for where it has nothing to say.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from fewact.methods.fusion.motion_network import DARKEST, LENGTH, LIGHT, SIDE

CHANNELS = (32, 64, 128)
"""Channels of the three convolutions over space and time."""

WIDTH = 256
"""Channels of a frame after them."""

DROPOUT = 0.1
"""Fraction of values that training drops."""


class SpaceTime(nn.Conv3d):
    """Convolution over space and time of images, (v t c h w) → (v t C h' w'), of every frame.

    As one of two dimensions, over the channels of neighbouring frames, it takes half of the time of
    torch's on a CPU.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolved images of each frame."""
        reach = self.kernel_size[0] // 2
        padded = functional.pad(images, (0, 0, 0, 0, 0, 0, reach, reach))
        neighbours = [padded[:, i : i + images.shape[1]] for i in range(2 * reach + 1)]
        convolved = functional.conv2d(
            torch.cat(neighbours, 2).flatten(0, 1),
            self.in_two_dimensions(),
            self.bias,
            self.stride[1:],
            self.padding[1:],
        )
        features: Tensor = convolved.unflatten(0, images.shape[:2])
        return features

    def in_two_dimensions(self) -> Tensor:
        """Return the weights (C k·c h w) over the channels of k neighbours, as in a graph."""
        return self.weight if self.weight.ndim == 4 else self.weight.transpose(1, 2).flatten(1, 2)

    def in_three_dimensions(self, weights: Tensor) -> Tensor:
        """Return weights (C k·c h w) in the shape of this convolution (C c k h w)."""
        three: Tensor = weights.unflatten(1, (self.kernel_size[0], -1)).transpose(1, 2)
        return three


class MotionNetwork(nn.Module):
    """Convolutions over space and time, then over time alone."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.space = nn.ModuleList(
            [
                SpaceTime(1, first, (3, 5, 5), (1, 2, 2), (1, 2, 2)),
                SpaceTime(first, second, 3, (1, 2, 2), 1),
                SpaceTime(second, third, 3, (1, 2, 2), 1),
            ]
        )
        self.space_norms = nn.ModuleList([nn.GroupNorm(8, n) for n in CHANNELS])
        self.frame = nn.Linear(third * (SIDE // 8) ** 2, WIDTH)
        self.time_norms = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(2)])
        self.time = nn.ModuleList([nn.Conv1d(WIDTH, WIDTH, 5, padding=2) for _ in range(2)])
        self.last = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, LENGTH)
        self.figure = nn.Linear(2 * WIDTH, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors of the frames (v t d), and the log-odds (v) of one moving figure.

        Args:
            images: Images (v t s s) of changes, brightened and scaled by ``lightened``.
        """
        x = images[:, :, None]
        for convolution, norm in zip(self.space, self.space_norms, strict=True):
            x = convolution(x)
            x = functional.gelu(norm(x.transpose(1, 2)).transpose(1, 2))
        x = functional.dropout(x.flatten(2), DROPOUT, self.training)  # (v t c)
        x = functional.gelu(self.frame(x))
        for norm, convolution in zip(self.time_norms, self.time, strict=True):
            y = functional.dropout(norm(x), DROPOUT, self.training)
            x = x + functional.gelu(convolution(y.mT).mT)
        x = self.last(x).float()
        figure = self.figure(torch.cat([x.mean(1), x.std(1)], -1).detach())[:, 0].float()
        vectors: Tensor = self.out(x).float()
        return vectors, figure


def unit_deviations(vectors: Tensor) -> Tensor:
    """Return the deviations of frames' vectors (v t d) from their mean over time, of length 1."""
    return functional.normalize(vectors - vectors.mean(1, keepdim=True), dim=-1)


def lightened(images: Tensor) -> Tensor:
    """Scale the images of each video (v t s s) to light changes of 1, and take the root."""
    flat = images.flatten(1)
    lightest = flat.topk(flat.shape[1] - int(LIGHT * flat.shape[1]) + 1).values  # (v k)
    top = lightest[:, -1].clamp_min(DARKEST)
    return (images / top[:, None, None, None]).clamp(0, 1.5).sqrt()


def motion_network(weights: Path) -> MotionNetwork:
    """Return the network in evaluation mode, with weights from a graph or a safetensors file."""
    network = MotionNetwork().float().eval().requires_grad_(False)
    tensors = _of_graph(weights, network) if weights.suffix == ".onnx" else load_file(weights)
    network.load_state_dict({name: tensors[name].float() for name in network.state_dict()})
    return network


def _of_graph(path: Path, network: MotionNetwork) -> dict[str, Tensor]:
    """Return the tensors of a graph in the shapes that the network has."""
    import onnx
    from onnx import numpy_helper

    initializers = onnx.load(path).graph.initializer
    tensors = {x.name: torch.from_numpy(numpy_helper.to_array(x).copy()) for x in initializers}
    for name, value in network.state_dict().items():
        own = tensors[name]
        module = network.get_submodule(name.rpartition(".")[0])
        if isinstance(module, SpaceTime) and own.ndim == 4:
            own = module.in_three_dimensions(own)
        elif own.ndim == 2 and own.shape != value.shape:
            own = own.mT
        tensors[name] = own.reshape(value.shape)
    return tensors
