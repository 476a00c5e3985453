"""The control: coarse grey pictures, no network at all.

What a claim about temporal matching on fixed-camera videos has to beat.
"""

from typing import Annotated

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.features.request import FeatureRequest, Features, Request, Stabilise, View
from fewact.methods.base import Nodes
from fewact.methods.common.kernel import KernelMethod

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PixelsOptions:
    """Options of ``pixels``.

    Args:
        frames: Frames of a video.
        stabilise: Take the camera's motion out of the frames first; ``auto`` where it moved.
        grid: A frame is averaged to grid × grid grey pixels.
        compactness: How much of a class's mean similarity with itself is subtracted.
    """

    frames: Annotated[int, Field(ge=2)] = 8
    stabilise: Stabilise = "off"
    grid: PositiveInt = 7
    compactness: NonNegativeFloat = 0.5


class Pixels(KernelMethod[PixelsOptions]):
    """Dynamic time warping between grey frames from which the clip's mean was taken away."""

    Options = PixelsOptions
    scoring = frozenset({"compactness"})
    temperature = 0.1  # where motion tells the classes apart, on the development clips

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Pixels only."""
        return (self._tap,)

    @property
    def _tap(self) -> Request:
        return FeatureRequest("pixels", View(self.options.frames, self.options.stabilise))

    def encode(self, features: Features) -> Nodes:
        """Frames (… t grid²) of length 1."""
        pixels = features[self._tap].float() / 255  # (… t 3 h w)
        luma = pixels.new_tensor(LUMA)
        grey = torch.einsum("c,...chw->...hw", luma, pixels)
        small = functional.adaptive_avg_pool2d(grey.flatten(0, -3), self.options.grid)
        small = small.flatten(1).unflatten(0, grey.shape[:-2])  # (… t grid²)
        moving = functional.normalize(small, dim=-1)
        moving = functional.normalize(moving - moving.mean(-2, keepdim=True), dim=-1)
        return {"frames": moving}

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """Minus the warping cost a frame: (b q …), (b s …) → (b q s)."""
        cost = align.pairwise_cosine_cost(first["frames"], second["frames"], eps=0)
        return -align.dtw(cost, plan=False).value / cost.shape[-1]
