"""Fusion: the training-free default, a sum of three cosines that need no learning.

Appearance in order, motion by ordered alignment, and second-order moments of the motion; ours.
"""

import math
from typing import Annotated

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card, Tap
from fewact.methods.base import Features, Nodes
from fewact.methods.kernel import KernelMethod
from fewact.methods.reduction import ChannelReduction
from fewact.moments import multi_scale_moments


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Frames of appearance and moments.
        motion_frames: Frames of the motion term.
        grid: The motion term keeps grid × grid places of a frame.
        velocity: How much the change between a frame's neighbours weighs beside the frame itself.
        motion_weight: Of the motion term; appearance has weight 1.
        moment_weight: Of the moments' term.
        smoothing: λ of the ordered alignment.
        lengths: Window lengths of the moments, in frames.
        compactness: How much of a class's mean similarity with itself is subtracted.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 16
    grid: PositiveInt = 4
    velocity: NonNegativeFloat = 1.0
    motion_weight: NonNegativeFloat = 1.5
    moment_weight: NonNegativeFloat = 0.5
    smoothing: NonNegativeFloat = 0.01
    lengths: tuple[PositiveInt, ...] = (1, 2, 4)
    compactness: NonNegativeFloat = 0.5


class Fusion(KernelMethod):
    """Kernel K = appearance + w·motion + v·moments; a class scores its mean K less compactness."""

    Options = FusionOptions
    options: FusionOptions
    scoring = frozenset({"motion_weight", "smoothing", "compactness"})
    temperature = 0.025  # between the best of one shot and of five, on the development clips

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        self.reduction = ChannelReduction("auto", width=0)

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """Vectors, and the middle stage at two rates; vectors alone where it is missing."""
        frames, motion_frames = self.options.frames, self.options.motion_frames
        vectors = Tap("vectors", frames)
        if not card.has("middle"):
            return (vectors,)
        return vectors, Tap("middle", frames), Tap("middle", motion_frames)

    def encode(self, features: Features) -> Nodes:
        """Unit vectors whose products are the three cosines.

        Returns:
            ``appearance`` (… t·d); ``motion`` (… t d'), a frame less the clip's mean beside the
            change around it; ``moments`` (… m·D), nodes of length 1/√m, of a middle stage only.
        """
        vectors = features[Tap("vectors", self.options.frames)]
        rooted = vectors.sign() * vectors.abs().sqrt()
        frames = functional.normalize(rooted, dim=-1)
        nodes = {"appearance": functional.normalize(frames.flatten(-2), dim=-1)}
        middle = features.get(Tap("middle", self.options.motion_frames))
        if middle is None:
            nodes["motion"] = self._moving(frames)
            return nodes
        places = functional.adaptive_avg_pool2d(middle.flatten(0, -4), self.options.grid)
        places = places.flatten(1).unflatten(0, middle.shape[:-3])  # (… t c·grid²)
        nodes["motion"] = self._moving(functional.normalize(places, dim=-1))
        if self.options.moment_weight > 0:
            nodes["moments"] = self._moments(features[Tap("middle", self.options.frames)])
        return nodes

    def _moving(self, frames: Tensor) -> Tensor:
        """Where a frame differs from the clip's mean, and how it changes: (… t d) → (… t 2d)."""
        place = _unit(frames - frames.mean(-2, keepdim=True), frames)
        if self.options.velocity == 0:
            return place
        padded = torch.cat([frames[..., :1, :], frames, frames[..., -1:, :]], -2)
        change = _unit(padded[..., 2:, :] - padded[..., :-2, :], frames)
        both = torch.cat([place, self.options.velocity * change], -1)
        return functional.normalize(both, dim=-1)

    def _moments(self, maps: Tensor) -> Tensor:
        moments = multi_scale_moments(
            self.reduction(maps), lengths=self.options.lengths, centre_clip=True
        )  # (… m D)
        joined: Tensor = functional.normalize(moments, dim=-1).flatten(-2)  # (… m·D)
        return joined / math.sqrt(moments.shape[-2])

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """The kernel K between two sets of videos: (b q …), (b s …) → (b q s), symmetric.

        Two videos that are the same have K = 1 + motion + moment weight at most; a static one has
        cosine 0 with everything.
        """
        options = self.options
        kernel = first["appearance"] @ second["appearance"].transpose(-1, -2)  # (b q s)
        if "moments" in first:
            moments = first["moments"] @ second["moments"].transpose(-1, -2)
            kernel = kernel + options.moment_weight * moments
        if options.motion_weight > 0:
            kernel = kernel + options.motion_weight * self._motion(
                first["motion"], second["motion"]
            )
        return kernel

    def _motion(self, first: Tensor, second: Tensor) -> Tensor:
        """(b q t d), (b s t d) → (b q s): minus the ordered alignment's cost a frame."""
        cost = align.pairwise_cosine_cost(first, second, eps=0)  # (b q s t u)
        value = align.otam(cost, lam=self.options.smoothing, plan=False).value
        return -value / sum(cost.shape[-2:])


def _unit(moving: Tensor, frames: Tensor) -> Tensor:
    """(… t d) at length 1; zero where no more is left of the frames than rounding leaves."""
    length = vector_norm(moving, dim=-1, keepdim=True)
    still = length <= 1e-4 * vector_norm(frames, dim=-1, keepdim=True)
    return torch.where(still, 0.0, moving / length.clamp_min(1e-12))
