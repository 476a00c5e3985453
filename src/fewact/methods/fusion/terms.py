"""Similarities that fusion adds up: appearance, motion and second-order moments.

A term encodes each video alone and compares two sets of videos. None is trained on real videos.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fewact import align
from fewact.features.request import (
    DifferenceImageRequest,
    DifferenceRequest,
    FeatureRequest,
    Features,
    SmallFrameRequest,
)
from fewact.methods.base import FrameMatch, equal_parts, plan_of
from fewact.methods.common.reduction import ChannelReduction
from fewact.methods.common.temporal import linear_detrend, unit_changes
from fewact.methods.fusion.crop import motion_centred_crop
from fewact.methods.fusion.motion_network import FRAMES, LENGTH, motion_network, prepared
from fewact.moments import multi_scale_moments

TermView = FeatureRequest | SmallFrameRequest | DifferenceRequest | DifferenceImageRequest
"""Features that a term reads."""

Detrend = Literal["constant", "linear"]
"""What is removed over time: the mean, or the least-squares line."""

CROP_SAMPLES_PER_CELL = 3
"""Rows and columns of the motion-centred crop that are averaged to a cell of the grid."""


class Term(Protocol):
    """One similarity of the sum."""

    compares: ClassVar[str]
    """``appearance``, ``motion`` or ``moments``: terms of one type are shown together."""

    @property
    def view(self) -> TermView:
        """Features that the term reads."""

    def __hash__(self) -> int:
        """Terms are compared by their fields."""

    def encode(self, features: Features) -> Tensor:
        """Return what is kept of each video; zeros where all features are."""

    def similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the symmetric similarity of two sets of videos: (b q …), (b s …) → (b q s)."""

    def quick_similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return an approximation of ``similarity`` that aligns no frames."""


class _InnerProducts:
    """Similarity of encoded videos that are compared by their inner products."""

    def similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the cosines, or mean cosines: (b q d), (b s d) → (b q s)."""
        return first @ second.mT

    def quick_similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the same."""
        return self.similarity(first, second)


@dataclass(frozen=True)
class AppearanceTerm(_InnerProducts):
    """Cosine of the frames' vectors, joined in the order of time.

    Args:
        view: Vectors of the frames.
    """

    compares: ClassVar[str] = "appearance"

    view: FeatureRequest

    def encode(self, features: Features) -> Tensor:
        """Return unit vectors (… t·d)."""
        return self.of_frames(unit_frames(features[self.view]))

    def of_frames(self, frames: Tensor) -> Tensor:
        """Return what ``encode`` returns, of ``unit_frames``."""
        return functional.normalize(frames.flatten(-2), dim=-1)

    def cells(self, maps: Tensor, second: Tensor) -> Tensor:
        """Return what each cell of the first video's frames adds to the cosine.

        A frame's vector is the mean of its map. What a channel adds is shared among the cells in
        proportion to their part of the channel's mean.

        Args:
            maps: Maps of a video (t c h w), whose means over the cells are its vectors.
            second: Another video, encoded (t·c).

        Returns:
            (t h w); the sum over all cells is the similarity.
        """
        vectors = maps.mean((-2, -1))  # (t c)
        encoded = self.encode({self.view: vectors})  # (t·c)
        products = (encoded * second).view_as(vectors)
        means = torch.where(vectors == 0, 1.0, vectors)  # a channel of mean 0 adds nothing
        shared = products / (means * maps.shape[-2:].numel())
        return torch.einsum("tc,tchw->thw", shared, maps)


class MeanAppearanceTerm(_InnerProducts):
    """Cosine of the means of the frames' vectors, whatever their order."""

    def of_frames(self, frames: Tensor) -> Tensor:
        """Return unit vectors (… d) of ``unit_frames`` (… t d)."""
        return functional.normalize(frames.mean(-2), dim=-1)


class AlignedFrames(ABC):
    """Similarity of encoded videos whose frames are aligned in their order."""

    compares: ClassVar[str] = "motion"
    smoothing: float
    """λ of the soft minimum of the alignment."""

    def similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return minus the cost of the alignment per frame: (b q t d), (b s t d) → (b q s)."""
        cost = _cosine_cost(self.vectors(first), self.vectors(second))
        value = align.otam(cost, self.smoothing, plan=False).value  # (b q s)
        return -value / sum(cost.shape[-2:])

    def plan(self, first: Tensor, second: Tensor) -> Tensor:
        """Return how the frames of two videos are aligned: (t d), (t d) → (t t)."""
        cost = _cosine_cost(*(self.vectors(x)[None, None] for x in (first, second)))
        path = align.otam(cost[0, 0, 0], self.smoothing).plan
        if path is None:
            raise TypeError("otam returned no plan")
        return path

    def match(self, first: Tensor, second: Tensor) -> FrameMatch:
        """Return the same with the times of the frames: (t d), (t d)."""
        times = equal_parts(len(first)), equal_parts(len(second))
        return FrameMatch("motion", *times, plan_of(self.plan(first, second)))

    def quick_similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """Return half the mean cosine of frames at the same time."""
        queries, supports = self.vectors(first), self.vectors(second)
        products: Tensor = queries.flatten(-2) @ supports.flatten(-2).mT
        return products / (2 * first.shape[-2])

    def vectors(self, encoded: Tensor) -> Tensor:
        """Return the vectors of encoded frames that are compared: (… t d) → (… t d')."""
        return encoded

    @abstractmethod
    def horizontal_flip(self, encoded: Tensor) -> Tensor:
        """Return what ``encode`` would return for flipped frames: (… t d) → (… t d)."""


@dataclass(frozen=True)
class MotionTerm(AlignedFrames):
    """Ordered alignment of what changes in the frames.

    A frame is represented by its deviation from the trend of the clip and by the change between its
    neighbours, each of length 1.

    Args:
        view: Maps, averaged to a grid of cells; or vectors.
        detrend: What is removed from each cell over time. ``linear`` also removes most of a slow
            pan that stabilisation has left.
        crop: Crop the maps around the motion.
        grid: Rows and columns of cells.
        velocity: Weight of the change between neighbours, next to 1 for the deviation.
        smoothing: λ of the soft minimum of the alignment; from 0 to 0.05 it hardly matters.
    """

    view: TermView
    detrend: Detrend = "linear"
    crop: bool = False
    grid: int = 4
    velocity: float = 1.0
    smoothing: float = 0.01

    def encode(self, features: Features) -> Tensor:
        """Return vectors of the frames (… t d) of length 1, or 0 where nothing moves."""
        values = features[self.view]
        vectors = self.view.level == "vectors"
        return self.of_frames(unit_frames(values) if vectors else self._cells(values))

    def of_frames(self, frames: Tensor) -> Tensor:
        """Return what ``encode`` returns, of unit vectors of the frames or of their cells."""
        detrended = _detrended(frames, self.detrend, dim=-2)
        deviation = unit_changes(detrended - detrended.mean(-2, keepdim=True), frames)
        if self.velocity == 0:
            return deviation
        padded = torch.cat([detrended[..., :1, :], detrended, detrended[..., -1:, :]], -2)
        change = unit_changes(padded[..., 2:, :] - padded[..., :-2, :], frames)
        return functional.normalize(torch.cat([deviation, self.velocity * change], -1), dim=-1)

    def _cells(self, maps: Tensor) -> Tensor:
        """Return the cells of each frame as a unit vector: (… t c h w) → (… t c·grid²)."""
        if self.crop:
            detrended = _detrended(maps, self.detrend, dim=-4)
            changes = detrended - detrended.mean(-4, keepdim=True)
            cells = motion_centred_crop(maps, changes, self.grid, CROP_SAMPLES_PER_CELL)
        else:
            pooled = functional.adaptive_avg_pool2d(maps.flatten(0, -4), self.grid)
            cells = pooled.view(*maps.shape[:-2], self.grid, self.grid)
        return functional.normalize(cells.flatten(-3), dim=-1)

    def cells(self, first: Tensor, second: Tensor) -> Tensor:
        """Return what each cell of the first video's frames adds to their aligned cosines.

        Args:
            first: Encoded maps of a video (t d).
            second: Those of another one (t d).

        Returns:
            (t grid grid); the sum is that of all cosines, each times its weight in ``plan``.
        """
        query_cells, support_cells = (
            x.unflatten(-1, (-1, self.grid, self.grid)) for x in (first, second)
        )
        return torch.einsum(
            "sxhw,txhw,st->shw", query_cells, support_cells, self.plan(first, second)
        )

    def horizontal_flip(self, encoded: Tensor) -> Tensor:
        """Return what ``encode`` would return for flipped maps: (… t d) → (… t d)."""
        flipped: Tensor = encoded.unflatten(-1, (-1, self.grid, self.grid)).flip(-1).flatten(-3)
        return flipped


@dataclass(frozen=True)
class LearnedMotionTerm(AlignedFrames):
    """Ordered alignment of vectors that a network gives to images of differences.

    Args:
        view: The images.
        flips: Encode the flipped frames, too.
        smoothing: λ of the soft minimum of the alignment.
    """

    view: DifferenceImageRequest
    flips: bool = False
    smoothing: float = 0.01

    def encode(self, features: Features) -> Tensor:
        """Return vectors of length 1 of the frames, then those of the flipped ones: (… 24 d).

        The last column has the probability that the images show one moving figure, the same in all
        frames. Black images have zeros.
        """
        images = features[self.view]
        videos = [self._of_video(video) for video in images.reshape(-1, *images.shape[-3:])]
        encoded = torch.stack(videos).view(*images.shape[:-3], *videos[0].shape)
        return encoded.to(images.dtype) if images.is_floating_point() else encoded

    def _of_video(self, images: Tensor) -> Tensor:
        if not images.any():
            width = LENGTH * (1 + self.flips) + 1
            return torch.zeros(FRAMES, width, dtype=torch.float32, device=images.device)
        network = motion_network(images.device)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            cropped = prepared(images)
            vectors, figure = network(
                torch.stack([cropped, cropped.flip(-1)] if self.flips else [cropped])
            )
        sure = figure[0].sigmoid().expand(FRAMES)[:, None]
        return torch.cat([*vectors, sure], -1)

    def sure(self, encoded: Tensor) -> Tensor:
        """Return how sure the network is of each video: (… t d) → (…)."""
        return encoded[..., 0, -1]

    def horizontal_flip(self, encoded: Tensor) -> Tensor:
        """Return what ``encode`` would return for flipped frames: (… t d) → (… t d).

        Raises:
            TypeError: Without ``flips``.
        """
        if not self.flips:
            raise TypeError("flipped frames are not encoded")
        upright, flipped, sure = encoded.split((LENGTH, LENGTH, 1), -1)
        return torch.cat([flipped, upright, sure], -1)

    def vectors(self, encoded: Tensor) -> Tensor:
        """Return the vectors alone: (… t d) → (… t 64)."""
        return encoded[..., :LENGTH]


@dataclass(frozen=True)
class MomentsTerm(_InnerProducts):
    """Mean cosine of the second-order moments M² of A²M²-Net, in the order of time.

    Args:
        view: Maps.
        detrend: What is removed from each position over time; the mean is removed in any case.
        lengths: Lengths of the temporal windows in frames.
        reduction: Reduction of the channels; default: a fixed projection above 128 channels.
    """

    compares: ClassVar[str] = "moments"

    view: TermView
    detrend: Detrend = "linear"
    lengths: tuple[int, ...] = (2, 4, 8)
    reduction: ChannelReduction = field(default_factory=lambda: ChannelReduction("auto", width=0))

    def encode(self, features: Features) -> Tensor:
        """Return the descriptors of all windows (… m·D), each of length 1/√m."""
        maps: Tensor = self.reduction(features[self.view])
        moments = multi_scale_moments(
            _detrended(maps, self.detrend, dim=-4), lengths=self.lengths, subtract_clip_mean=True
        )  # (… m D)
        joined: Tensor = functional.normalize(moments, dim=-1).flatten(-2)
        return joined / math.sqrt(moments.shape[-2])


def _cosine_cost(first: Tensor, second: Tensor) -> Tensor:
    """Return one minus the cosines of encoded frames: (b q t d), (b s u d) → (b q s t u).

    They have the length 1, or 0: their products are their cosines.
    """
    products = first.flatten(1, 2) @ second.flatten(1, 2).mT  # (b q·t s·u)
    shape = (*first.shape[:3], *second.shape[1:3])
    cost: Tensor = 1 - products.view(shape).transpose(2, 3)
    return cost


def unit_frames(vectors: Tensor) -> Tensor:
    """Return the signed square roots of the frames' vectors, normalised: (… t d) → (… t d)."""
    size = torch.where(vectors == 0, 1.0, vectors.abs())  # the root has no gradient at 0
    return functional.normalize(vectors.sign() * size.sqrt(), dim=-1)


def _detrended(values: Tensor, detrend: Detrend, dim: int) -> Tensor:
    """Remove a linear trend if requested; the mean stays in both cases."""
    return linear_detrend(values, dim) if detrend == "linear" else values
