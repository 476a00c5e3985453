"""The control: coarse grey pictures, no network at all.

What a claim about temporal matching on fixed-camera videos has to beat.
"""

from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import torch
from pydantic import ConfigDict, Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card, Tap
from fewact.methods.base import Features, Method, Nodes
from fewact.methods.kernel import mean_over_shots

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PixelsOptions:
    """Options of ``pixels``.

    Args:
        frames: Frames of a video.
        grid: A frame is averaged to grid × grid grey pixels.
    """

    frames: Annotated[int, Field(ge=2)] = 8
    grid: PositiveInt = 7


@plain_dataclass(frozen=True)
class PixelsState:
    """The support's frames (b s t d) and their classes (b s)."""

    frames: Tensor
    labels: Tensor
    n: int


class Pixels(Method):
    """Dynamic time warping between grey frames from which the clip's mean was taken away."""

    Options = PixelsOptions
    options: PixelsOptions

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """Pixels only."""
        return (Tap("pixels", self.options.frames),)

    def encode(self, features: Features) -> Nodes:
        """Frames (… t grid²) of length 1."""
        pixels = features[Tap("pixels", self.options.frames)].float() / 255  # (… t 3 h w)
        luma = pixels.new_tensor(LUMA)
        grey = torch.einsum("c,...chw->...hw", luma, pixels)
        small = functional.adaptive_avg_pool2d(grey.flatten(0, -3), self.options.grid)
        small = small.flatten(1).unflatten(0, grey.shape[:-2])  # (… t grid²)
        moving = functional.normalize(small, dim=-1)
        moving = functional.normalize(moving - moving.mean(-2, keepdim=True), dim=-1)
        return {"frames": moving}

    def support(
        self, nodes: Nodes, labels: Tensor, n: int, text: Tensor | None = None
    ) -> PixelsState:
        """The support as it is."""
        return PixelsState(nodes["frames"], labels, n)

    def score(self, state: PixelsState, nodes: Nodes) -> Tensor:
        """Logits (b q n): minus the mean warping cost a frame."""
        cost = 1 - torch.einsum("bqtd,bsud->bqstu", nodes["frames"], state.frames)
        value = align.dtw(cost, plan=False).value / cost.shape[-1]  # (b q s)
        return mean_over_shots(-value, state.labels, state.n)
