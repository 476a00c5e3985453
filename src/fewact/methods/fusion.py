"""Fusion: the training-free default, a sum of four cosines that need no learning; ours.

Appearance in order; motion by ordered alignment, in a window around what moves in frames from which
the camera's motion was taken; the same of the frames as they are, whole; and second-order moments
of the motion, of the steady frames. How far cameras are taken to have stood still the taught clips
say.
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional

from fewact import align
from fewact.backbones.card import Card
from fewact.errors import OptionError
from fewact.features.request import (
    CameraMotionRequest,
    FeatureRequest,
    Features,
    Request,
    Stabilise,
    View,
)
from fewact.methods.base import Nodes, TrainingBatch, cross_entropy
from fewact.methods.common.detrend import linear_detrend
from fewact.methods.common.kernel import KernelMethod, KernelState, leave_one_out
from fewact.methods.common.reduction import ChannelReduction
from fewact.methods.steady import centred, searched, seen_through, windows
from fewact.moments import multi_scale_moments

STILL = "_still"
"""How the names of nodes end from which no line is taken away: for cameras that stood still."""

SURE, DOUBT = 4.0, 0.6
"""How much the evidence of the taught clips' cameras says beside the clips, and how much of it must
speak against motion. Chosen on development clips, as are the temperature of what the clips say and
the share that cameras alone can make up: the best of those that cost no camera there more than half
a point."""

HELD_OUT_TEMPERATURE = 0.2

Trend = Literal["mean", "line"]

Along = Callable[[Tensor, Tensor], Tensor]
"""How frames of two sets of videos are compared along time: (b q t d), (b s t d) → (b q s)."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FusionOptions:
    """Options of ``fusion``.

    Args:
        frames: Frames of appearance, and of motion as it is.
        motion_frames: Frames of motion and moments.
        stabilise: Take the camera's motion out of the frames of motion and moments: ``auto`` where
            it moved. Needs maps.
        twice: With ``auto``, half of motion and moments see the maps moved to where frames that are
            stabilised boldly show them: without a background nobody can tell a camera from a body.
            Where there is one both are the same.
        cameras: ``moving``: all steps against a camera that moves. ``still``: none is stabilised,
            and no line is taken away; sitting down is nearly a line, too. ``taught``: the motion is
            compared in both ways, and the taught clips say how much each counts: by the evidence
            that their cameras moved, and by how well each is told by the others.
        trend: What is taken away from each place over time where cameras move: its ``mean``, or a
            straight ``line``, which also takes most of a slow pan that stabilising has left.
        centre: The motion term looks at a window around what moves, so that people may stand apart,
            and nearer or farther, in two clips.
        shift_search: Cells of the map, or of the window, each way, by which two clips are moved to
            find where they agree most; 0 for none.
        mirrored: A clip counts as well as its mirror image, for actions of either hand: two clips
            are compared as they are, and with one of them mirrored, and the better counts. Classes
            that differ in left and right alone become one. Needs maps.
        mixing: ``linear``: the maps' channels are mixed by one matrix that learns; it begins as
            none.
        in_channels: Channels of the maps, for a mixing.
        grid: The motion term keeps grid × grid places of a frame.
        velocity: How much the change between a frame's neighbours weighs beside the frame itself.
        motion_weight: Of the motion term; appearance has weight 1.
        whole_weight: Of the motion in the whole of the frames as they are: where people stand tells
            something under a camera that stands still, and no step can have taken it away.
        still_share: How sure the cameras of the taught clips can make it, by themselves, that they
            stood still: so much of the motion's weight then compares it without its line taken
            away. More do the clips themselves, where they tell each other better so.
        moment_weight: Of the moments' term.
        smoothing: λ of the ordered alignment.
        lengths: Window lengths of the moments, in motion frames.
        intra_class_weight: How much of a class's mean similarity with itself is subtracted.
    """

    frames: PositiveInt = 8
    motion_frames: Annotated[int, Field(ge=2)] = 16
    stabilise: Stabilise = "auto"
    twice: bool = True
    cameras: Literal["moving", "still", "taught"] = "taught"
    trend: Trend = "line"
    centre: bool = True
    shift_search: Annotated[int, Field(ge=0, le=4)] = 0
    mirrored: bool = False
    mixing: Literal["none", "linear"] = "none"
    in_channels: PositiveInt | None = None
    grid: PositiveInt = 4
    velocity: NonNegativeFloat = 1.0
    motion_weight: NonNegativeFloat = 2.0
    whole_weight: NonNegativeFloat = 0.5
    still_share: Annotated[float, Field(ge=0, le=1)] = 0.4
    moment_weight: NonNegativeFloat = 0.75
    smoothing: NonNegativeFloat = 0.01
    lengths: tuple[PositiveInt, ...] = (2, 4, 8)
    intra_class_weight: NonNegativeFloat = 0.5


class Fusion(KernelMethod[FusionOptions]):
    """Kernel K = appearance + w·motion + v·moments; classes score their mean K."""

    Options = FusionOptions
    scoring = frozenset(
        {"motion_weight", "still_share", "mirrored", "smoothing", "intra_class_weight"}
    )
    temperature = 0.03  # between the best of one shot and of five, on the development clips

    def __init__(self, options: FusionOptions) -> None:
        super().__init__(options)
        channels = options.in_channels
        self.mixing = ChannelReduction(options.mixing, channels or 0, channels)
        self.reduction = ChannelReduction("auto", width=0)

    def requests(self, card: Card) -> tuple[Request, ...]:
        """Vectors, and the middle stage of them and of more frames; vectors alone without one.

        Raises:
            OptionError: Clips are to be mirrored, and there are no maps.
        """
        vectors = FeatureRequest("vectors", View(self.options.frames))
        if not card.has("middle"):
            if self.options.mirrored:
                raise OptionError(
                    "needs a backbone with maps: vectors have no left and right",
                    where="mirrored",
                    got=card.name,
                )
            return (vectors,)
        whole = (self._plain,) if self.options.whole_weight > 0 else ()
        camera = (self._camera,) if self._twice or self.options.cameras == "taught" else ()
        return tuple(dict.fromkeys((vectors, *whole, self._steady, *camera)))

    @property
    def _plain(self) -> Request:
        return FeatureRequest("middle", View(self.options.frames))

    @property
    def _camera(self) -> Request:
        return CameraMotionRequest(View(self.options.motion_frames, "auto"))

    @property
    def _trend(self) -> Trend:
        return "mean" if self.options.cameras == "still" else self.options.trend

    @property
    def _steady(self) -> FeatureRequest:
        options = self.options
        still = options.cameras == "still"
        return FeatureRequest(
            "middle", View(options.motion_frames, "off" if still else options.stabilise)
        )

    @property
    def _twice(self) -> bool:
        return self.options.twice and self._steady.view.stabilise == "auto"

    def encode(self, features: Features) -> Nodes:
        """Unit vectors whose products are the four cosines.

        Returns:
            ``appearance`` (… t·d); ``motion`` (… t d'), a frame less the clip's trend beside the
            change around it, or with a search (… v t d'), of each window; of a middle stage also
            ``whole`` (… t d'), the same of the frames as they are, and ``moments`` (… m·D), nodes
            of length 1/√m. Seen twice, motion and moments of the second are there, too, under
            names that end in ``2``. Where the taught clips speak for their cameras, motion (of the
            first) and whole are there with their lines, under names that end in ``_still``, and
            ``moved`` (… 1), the evidence that the camera did.
        """
        options = self.options
        vectors = features[FeatureRequest("vectors", View(options.frames))]
        rooted = vectors.sign() * vectors.abs().sqrt()
        frames = functional.normalize(rooted, dim=-1)
        nodes = {"appearance": functional.normalize(frames.flatten(-2), dim=-1)}
        if self._steady not in features:
            return nodes | {"motion": self._moving(frames, self._trend)}
        mixed: Tensor = self.mixing(features[self._steady])
        looks = self._of_maps(mixed)
        nodes |= looks
        if self._twice:
            affine = features[self._camera][..., 1:].unflatten(-1, (2, 3))  # (… t 2 3)
            other = seen_through(mixed, affine)
            again = looks if other is mixed else self._of_maps(other)
            nodes |= {f"{name}2": value for name, value in again.items()}
        trends = {"": self._trend}
        if options.cameras == "taught":
            nodes["moved"] = features[self._camera][..., 0, :1]
            nodes[f"motion{STILL}"] = self._motion(mixed, "mean")
            trends |= {STILL: "mean"}
        if options.whole_weight > 0:
            whole = self._places(self.mixing(features[self._plain]))
            nodes |= {f"whole{end}": self._moving(whole, trend) for end, trend in trends.items()}
        return nodes

    def _of_maps(self, maps: Tensor) -> dict[str, Tensor]:
        """Nodes of motion and moments of steady frames."""
        nodes = {"motion": self._motion(maps, self._trend)}
        if self.options.moment_weight > 0:
            nodes["moments"] = self._moments(maps)
        return nodes

    def _motion(self, maps: Tensor, trend: Trend) -> Tensor:
        return self._moving(self._seen(maps, trend), trend)

    def _seen(self, maps: Tensor, trend: Trend) -> Tensor:
        """What the motion term sees of the frames: (… t d), or (… v t d) of v windows."""
        if self.options.centre:
            rest = _rest(maps, trend, dim=-4)
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

    def _moving(self, frames: Tensor, trend: Trend) -> Tensor:
        """Where a frame differs from the clip's trend, and how it changes: (… t d) → (… t 2d)."""
        rest = _rest(frames, trend, dim=-2)
        place = _unit(rest - rest.mean(-2, keepdim=True), frames)
        if self.options.velocity == 0:
            return place
        padded = torch.cat([rest[..., :1, :], rest, rest[..., -1:, :]], -2)
        change = _unit(padded[..., 2:, :] - padded[..., :-2, :], frames)
        both = torch.cat([place, self.options.velocity * change], -1)
        return functional.normalize(both, dim=-1)

    def _moments(self, maps: Tensor) -> Tensor:
        moments = multi_scale_moments(
            _rest(self.reduction(maps), self._trend, dim=-4),
            lengths=self.options.lengths,
            subtract_clip_mean=True,
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

    def support(self, nodes: Nodes, labels: Tensor, n: int) -> KernelState:
        """The support, and what it says of its cameras: ``still`` (b s 1), the share of it."""
        if "moved" in nodes:
            with torch.no_grad():
                moving, still = (self.rough(nodes, one) for one in (nodes, standing(nodes, 1)))
                most = self.options.still_share
                share = stood_still(nodes["moved"], moving, still, labels, n, most)  # (b)
            nodes = standing(nodes, share)
        return super().support(nodes, labels, n)

    def similarity(self, first: Nodes, second: Nodes) -> Tensor:
        """The kernel K between two sets of videos: (b q …), (b s …) → (b q s), symmetric.

        Two videos that are the same have K = 1 + the weights at most; a static one has cosine 0
        with everything. Cameras move, but for the share that the second videos say, as those of a
        support do.
        """
        return self._kernel(first, second, self._aligned)

    def rough(self, first: Nodes, second: Nodes) -> Tensor:
        """The kernel with frames compared in their places instead of aligned."""
        return self._kernel(first, second, _in_place)

    def _kernel(self, first: Nodes, second: Nodes, along: Along) -> Tensor:
        """The kernel whose terms of motion are compared along time so."""
        options = self.options
        kernel = first["appearance"] @ second["appearance"].mT  # (b q s)
        for name in ("moments", "moments2"):
            if name in first:
                moments = first[name] @ second[name].mT
                kernel = kernel + _look(first) * options.moment_weight * moments
        motion = self._motions(first, second, along)
        if options.mirrored:
            # Appearance and moments hardly know left from right.
            motion = motion.maximum(self._motions(first, self._mirrored(second), along))
        return kernel + motion

    def _mirrored(self, nodes: Nodes) -> Nodes:
        """Nodes of motion as if each clip were its mirror image."""

        def turned(value: Tensor) -> Tensor:
            """(… t d) of places row by row, or (… v t d) of windows row by row."""
            grid = self.options.grid
            found: Tensor = value.unflatten(-1, (-1, grid, grid)).flip(-1).flatten(-3)
            if found.ndim < 5:
                return found
            side = math.isqrt(found.shape[-3])
            windowed: Tensor = found.unflatten(-3, (side, side)).flip(-3).flatten(-4, -3)
            return windowed

        return {
            name: turned(value) if name.startswith(("motion", "whole")) else value
            for name, value in nodes.items()
        }

    def _motions(self, first: Nodes, second: Nodes, along: Along) -> Tensor:
        """The sum of the terms of motion (b q s)."""
        options = self.options
        still = second["still"][:, :1] if "still" in second else 0.0  # (b 1 1)
        motion = _look(first) * options.motion_weight * (1 - still)
        weights: dict[str, Tensor | float] = {
            "motion": motion,
            "motion2": motion,
            f"motion{STILL}": options.motion_weight * still,
            "whole": options.whole_weight * (1 - still),
            f"whole{STILL}": options.whole_weight * still,
        }
        found = first["appearance"].new_zeros(())
        for name, weight in weights.items():
            if name in first and (torch.is_tensor(weight) or weight > 0):
                found = found + weight * along(first[name], second[name])
        return found

    def _aligned(self, first: Tensor, second: Tensor) -> Tensor:
        """Minus the alignments' cost a frame: (b q t d), (b s t d) or of windows → (b q s)."""
        reach, smoothing = self.options.shift_search, self.options.smoothing
        if first.ndim == 5:
            return searched(first, second, reach, smoothing)
        cost = align.pairwise_cosine_cost(first, second, eps=0)
        value = align.otam(cost, smoothing=smoothing, plan=False).value  # (b q s)
        return -value / sum(cost.shape[-2:])


def _look(nodes: Nodes) -> float:
    """How much each look at the steady frames counts."""
    return 0.5 if "motion2" in nodes else 1.0


def standing(nodes: Nodes, share: Tensor | float) -> Nodes:
    """Nodes (b s …) of videos whose cameras count as still by a share, (b) or one for all."""
    each = torch.as_tensor(share, dtype=nodes["moved"].dtype, device=nodes["moved"].device)
    return {**nodes, "still": each.reshape(-1, 1, 1).expand_as(nodes["moved"])}


def stood_still(
    moved: Tensor, moving: Tensor, still: Tensor, labels: Tensor, n: int, most: float
) -> Tensor:
    """How sure it is that the cameras of each support stood still.

    The evidence of the clips' cameras and the log-likelihoods of the clips' classes, each told by
    the others, add up as the logarithm of the odds.

    Args:
        moved: (b s 1) evidence that the camera of each clip moved.
        moving: (b s s) similarities if cameras moved.
        still: (b s s) likewise, if they stood still.
        labels: (b s).
        n: Number of classes.
        most: How sure cameras alone can make it.

    Returns:
        (b), 0 to 1.
    """
    told = (leave_one_out(pairs, labels, n, HELD_OUT_TEMPERATURE) for pairs in (still, moving))
    by_stillness, by_motion = told
    limit = torch.logit(torch.as_tensor(most).to(moved))
    by_cameras = (-SURE * (moved.mean((1, 2)) + DOUBT)).minimum(limit)
    return torch.sigmoid(by_cameras + by_stillness - by_motion)


def _rest(values: Tensor, trend: Trend, dim: int) -> Tensor:
    return linear_detrend(values, dim) if trend == "line" else values


def _in_place(first: Tensor, second: Tensor) -> Tensor:
    """Half the mean cosine of frames in the same places; of windows, of the middle ones."""
    if first.ndim == 5:
        first, second = (nodes[:, :, nodes.shape[2] // 2] for nodes in (first, second))
    together: Tensor = first.flatten(-2) @ second.flatten(-2).mT
    return together / (2 * first.shape[-2])


def _unit(moving: Tensor, frames: Tensor) -> Tensor:
    """(… t d) at length 1; zero where no more is left of the frames than rounding leaves."""
    length = vector_norm(moving, dim=-1, keepdim=True)
    still = length <= 1e-4 * vector_norm(frames, dim=-1, keepdim=True)
    return torch.where(still, 0.0, moving / length.clamp_min(1e-12))
