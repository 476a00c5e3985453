"""Fusion: the training-free default, a sum of four cosines that need no learning; ours.

Appearance in order; motion by ordered alignment, in a window around what moves in frames from which
the camera's motion was taken; the same of the frames as they are, whole; and second-order moments
of the motion, of the steady frames.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card, Stabilise, Tap
from fewact.methods.base import Features, Nodes, TrainingBatch, cross_entropy
from fewact.methods.kernel import KernelMethod
from fewact.methods.reduction import ChannelReduction
from fewact.methods.steady import centred, searched, windows, without_line
from fewact.moments import multi_scale_moments


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Frames of appearance, and of motion as it is.
        motion_frames: Frames of motion and moments.
        stabilise: Take the camera's motion out of the frames of motion and moments: ``auto`` where
            it moved. Needs maps.
        twice: With ``auto``, half of motion and moments see the frames stabilised boldly instead:
            without a background nobody can tell a camera from a body. Where there is one both are
            the same, and cost no more.
        trend: What is taken away from each place over time: its ``mean``, or a straight ``line``,
            which also takes most of a slow pan that stabilising has left.
        centre: The motion term looks at a window around what moves, so that people may stand apart,
            and nearer or farther, in two clips.
        shift_search: Cells of the map, or of the window, each way, by which two clips are moved to
            find where they agree most; 0 for none.
        mixing: ``linear``: the maps' channels are mixed by one matrix that learns; it begins as
            none.
        in_channels: Channels of the maps, for a mixing.
        grid: The motion term keeps grid × grid places of a frame.
        velocity: How much the change between a frame's neighbours weighs beside the frame itself.
        motion_weight: Of the motion term; appearance has weight 1.
        whole_weight: Of the motion in the whole of the frames as they are: where people stand tells
            something under a camera that stands still, and no step can have taken it away.
        moment_weight: Of the moments' term.
        smoothing: λ of the ordered alignment.
        lengths: Window lengths of the moments, in motion frames.
        compactness: How much of a class's mean similarity with itself is subtracted.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 16
    stabilise: Stabilise = "auto"
    twice: bool = True
    trend: Literal["mean", "line"] = "line"
    centre: bool = True
    shift_search: Annotated[int, Field(ge=0, le=4)] = 0
    mixing: Literal["none", "linear"] = "none"
    in_channels: PositiveInt | None = None
    grid: PositiveInt = 4
    velocity: NonNegativeFloat = 1.0
    motion_weight: NonNegativeFloat = 2.0
    whole_weight: NonNegativeFloat = 0.5
    moment_weight: NonNegativeFloat = 0.75
    smoothing: NonNegativeFloat = 0.01
    lengths: tuple[PositiveInt, ...] = (2, 4, 8)
    compactness: NonNegativeFloat = 0.5


class Fusion(KernelMethod):
    """Kernel K = appearance + w·motion + v·moments; a class scores its mean K less compactness."""

    Options = FusionOptions
    options: FusionOptions
    scoring = frozenset({"motion_weight", "smoothing", "compactness"})
    temperature = 0.03  # between the best of one shot and of five, on the development clips

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        channels = options.in_channels
        self.mixing = ChannelReduction(options.mixing, channels or 0, channels)
        self.reduction = ChannelReduction("auto", width=0)

    def taps(self, card: Card) -> tuple[Tap, ...]:
        """Vectors, and the middle stage of them and of more frames; vectors alone without one."""
        vectors = Tap("vectors", self.options.frames)
        if not card.has("middle"):
            return (vectors,)
        whole = (self._plain,) if self.options.whole_weight > 0 else ()
        return tuple(dict.fromkeys((vectors, *whole, *self._steady)))

    @property
    def _plain(self) -> Tap:
        return Tap("middle", self.options.frames)

    @property
    def _steady(self) -> tuple[Tap, ...]:
        """One way to see the steady frames, or two of equal weight."""
        options = self.options
        modes: tuple[Stabilise, ...] = (options.stabilise,)
        if options.stabilise == "auto" and options.twice:
            modes = ("auto", "bold")
        return tuple(Tap("middle", options.motion_frames, mode) for mode in modes)

    def encode(self, features: Features) -> Nodes:
        """Unit vectors whose products are the four cosines.

        Returns:
            ``appearance`` (… t·d); ``motion`` (… t d'), a frame less the clip's trend beside the
            change around it, or with a search (… v t d'), of each window; of a middle stage also
            ``whole`` (… t d'), the same of the frames as they are, and ``moments`` (… m·D), nodes
            of length 1/√m. Seen twice, motion and moments of the second are there, too, under
            names that end in ``2``.
        """
        options = self.options
        vectors = features[Tap("vectors", options.frames)]
        rooted = vectors.sign() * vectors.abs().sqrt()
        frames = functional.normalize(rooted, dim=-1)
        nodes = {"appearance": functional.normalize(frames.flatten(-2), dim=-1)}
        if self._steady[0] not in features:
            nodes["motion"] = self._moving(frames)
            return nodes
        first, *others = (features[tap] for tap in self._steady)
        steady = self._of_maps(first)
        nodes |= steady
        for other in others:
            again = steady if torch.equal(other, first) else self._of_maps(other)
            nodes |= {f"{name}2": value for name, value in again.items()}
        if options.whole_weight > 0:
            nodes["whole"] = self._moving(self._places(self.mixing(features[self._plain])))
        return nodes

    def _of_maps(self, maps: Tensor) -> dict[str, Tensor]:
        """Nodes of motion and moments of steady frames."""
        mixed: Tensor = self.mixing(maps)
        nodes = {"motion": self._moving(self._seen(mixed))}
        if self.options.moment_weight > 0:
            nodes["moments"] = self._moments(mixed)
        return nodes

    def _seen(self, maps: Tensor) -> Tensor:
        """What the motion term sees of the frames: (… t d), or (… v t d) of v windows."""
        if self.options.centre:
            rest = self._rest(maps, dim=-4)
            maps = centred(maps, rest - rest.mean(-4, keepdim=True), 3 * self.options.grid)
        if not self.options.shift_search:
            return self._places(maps)
        cut = windows(maps, self.options.shift_search)  # (… t v c h w)
        return self._places(cut).transpose(-3, -2)

    def _places(self, maps: Tensor) -> Tensor:
        """A frame's grid × grid places, at length 1: (… c h w) → (… c·grid²)."""
        pooled = functional.adaptive_avg_pool2d(maps.flatten(0, -4), self.options.grid)
        places = functional.normalize(pooled.flatten(1), dim=-1)
        return places.reshape(*maps.shape[:-3], places.shape[-1])

    def _moving(self, frames: Tensor) -> Tensor:
        """Where a frame differs from the clip's trend, and how it changes: (… t d) → (… t 2d)."""
        rest = self._rest(frames, dim=-2)
        place = _unit(rest - rest.mean(-2, keepdim=True), frames)
        if self.options.velocity == 0:
            return place
        padded = torch.cat([rest[..., :1, :], rest, rest[..., -1:, :]], -2)
        change = _unit(padded[..., 2:, :] - padded[..., :-2, :], frames)
        both = torch.cat([place, self.options.velocity * change], -1)
        return functional.normalize(both, dim=-1)

    def _rest(self, values: Tensor, dim: int) -> Tensor:
        return without_line(values, dim) if self.options.trend == "line" else values

    def _moments(self, maps: Tensor) -> Tensor:
        moments = multi_scale_moments(
            self._rest(self.reduction(maps), dim=-4),
            lengths=self.options.lengths,
            centre_clip=True,
        )  # (… m D)
        joined: Tensor = functional.normalize(moments, dim=-1).flatten(-2)  # (… m·D)
        return joined / math.sqrt(moments.shape[-2])

    def losses_of_nodes(
        self, support: Nodes, query: Nodes, batch: TrainingBatch
    ) -> dict[str, Tensor]:
        """The cross-entropy of the probabilities, which are of scores over the temperature."""
        state = self.support(support, batch.support_labels, batch.n)
        logits = self.score(state, query) / self.temperature  # (b q n)
        return {"cross_entropy": cross_entropy(logits, batch.query_labels)}

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """The kernel K between two sets of videos: (b q …), (b s …) → (b q s), symmetric.

        Two videos that are the same have K = 1 + the weights at most; a static one has cosine 0
        with everything.
        """
        options = self.options
        kernel = first["appearance"] @ second["appearance"].transpose(-1, -2)  # (b q s)
        share = 0.5 if "motion2" in first else 1.0
        for name in ("moments", "moments2"):
            if name in first:
                moments = first[name] @ second[name].transpose(-1, -2)
                kernel = kernel + share * options.moment_weight * moments
        weights = {
            "motion": share * options.motion_weight,
            "motion2": share * options.motion_weight,
            "whole": options.whole_weight,
        }
        for name, weight in weights.items():
            if name in first and weight > 0:
                kernel = kernel + weight * self._aligned(first[name], second[name])
        return kernel

    def _aligned(self, first: Tensor, second: Tensor) -> Tensor:
        """Minus the alignments' cost a frame: (b q t d), (b s t d) or of windows → (b q s)."""
        reach, smoothing = self.options.shift_search, self.options.smoothing
        if first.ndim == 5:
            return searched(first, second, reach, smoothing)
        cost = align.pairwise_cosine_cost(first, second, eps=0)
        value = align.otam(cost, lam=smoothing, plan=False).value  # (b q s)
        return -value / sum(cost.shape[-2:])


def _unit(moving: Tensor, frames: Tensor) -> Tensor:
    """(… t d) at length 1; zero where no more is left of the frames than rounding leaves."""
    length = vector_norm(moving, dim=-1, keepdim=True)
    still = length <= 1e-4 * vector_norm(frames, dim=-1, keepdim=True)
    return torch.where(still, 0.0, moving / length.clamp_min(1e-12))
