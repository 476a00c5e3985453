"""A small network that knows human motion from rendered figures alone.

It reads images of differences, so that neither clothes nor background matter, and gives a vector
for each frame; performances of one motion by other figures, of another size, speed and extent, are
near to each other. It was trained on thousands of motions that a grammar draws
(docs/decisions/fusion.md); no real video was used. It also says how sure it is
that the images show one moving figure, for where it has nothing to say.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewact.core.arrays import packaged_tensors
from fewact.methods.fusion.crop import separable_crop

FRAMES, SIDE = 24, 32
"""Number of images of a video, and their height and width, that the network reads."""

LENGTH = 64
"""Length of a frame's vector."""

CHANNELS, WIDTH = (32, 64, 128), 256
"""Channels of the three convolutions over space and time, and those of a frame after them."""

DROPOUT = 0.1
"""Fraction of values that training drops."""

WEIGHTS = "motion_network.safetensors"
WEIGHTS_SHA256 = "aacb148b20095f2762cf4c0d7cc9df0aa91c52f9f5bf9efe4b0b0036397ece1b"

LIGHT, DARKEST = 0.99, 4.0
"""Fraction of the pixels that are at most as light as what becomes 1, and its least level."""


class SpaceTime(nn.Conv3d):
    """Convolution over space and time of images, (v t c h w) → (v t C h' w'), of every frame.

    As one of two dimensions, over the channels of neighbouring frames, it takes half of the time of
    torch's on a CPU.
    """

    def forward(self, images: Tensor) -> Tensor:
        reach = self.kernel_size[0] // 2
        padded = functional.pad(images, (0, 0, 0, 0, 0, 0, reach, reach))
        neighbours = [padded[:, i : i + images.shape[1]] for i in range(2 * reach + 1)]
        convolved = functional.conv2d(
            torch.cat(neighbours, 2).flatten(0, 1),
            self.weight.transpose(1, 2).flatten(1, 2),
            self.bias,
            self.stride[1:],
            self.padding[1:],
        )
        features: Tensor = convolved.unflatten(0, images.shape[:2])
        return features


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
        """Return unit vectors of the frames (v t d), and the log-odds (v) of one moving figure.

        Args:
            images: What ``prepared`` returns (v t s s).
        """
        x = self._frames(images)
        figure = self.figure(torch.cat([x.mean(1), x.std(1)], -1).detach())[:, 0].float()
        vectors = self.out(x).float()
        deviation = vectors - vectors.mean(1, keepdim=True)
        return functional.normalize(deviation, dim=-1), figure

    def vectors(self, images: Tensor) -> Tensor:
        """Return the vectors of the frames with their mean over time: (v t s s) → (v t d)."""
        vectors: Tensor = self.out(self._frames(images)).float()
        return vectors

    def _frames(self, images: Tensor) -> Tensor:
        x = images[:, :, None]
        for convolution, norm in zip(self.space, self.space_norms, strict=True):
            x = convolution(x)
            x = functional.gelu(norm(x.transpose(1, 2)).transpose(1, 2))
        x = functional.dropout(x.flatten(2), DROPOUT, self.training)  # (v t c)
        x = functional.gelu(self.frame(x))
        for norm, convolution in zip(self.time_norms, self.time, strict=True):
            y = functional.dropout(norm(x), DROPOUT, self.training)
            x = x + functional.gelu(convolution(y.mT).mT)
        last: Tensor = self.last(x).float()
        return last


def prepared(images: Tensor) -> Tensor:
    """Crop the images of a video around its motion, and make its light changes alike.

    Args:
        images: Images of differences (t h w).

    Returns:
        (24 s s), float32; images of another number are interpolated over time.
    """
    x = images.float()
    cells = separable_crop(x, SIDE)
    if len(cells) != FRAMES:
        over_time = cells.flatten(1).mT[None]
        size = (FRAMES,)
        resampled = functional.interpolate(over_time, size, mode="linear", align_corners=True)
        cells = resampled[0].mT.unflatten(-1, (SIDE, SIDE))
    return lightened(cells[None])[0]


def lightened(images: Tensor) -> Tensor:
    """Scale the images of each video (v t s s) to light changes of 1, and take the root."""
    flat = images.flatten(1)
    lightest = flat.topk(flat.shape[1] - int(LIGHT * flat.shape[1]) + 1).values  # (v k)
    top = lightest[:, -1].clamp_min(DARKEST)
    return (images / top[:, None, None, None]).clamp(0, 1.5).sqrt()


@cache
def motion_network(device: torch.device) -> MotionNetwork:
    """Return the network with its weights, which come with the package."""
    what = "the weights of learned motion"
    tensors = packaged_tensors(__package__, WEIGHTS, WEIGHTS_SHA256, what)
    network = MotionNetwork().float().eval().requires_grad_(False)
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.to(device)
