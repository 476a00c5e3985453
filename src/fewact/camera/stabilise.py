"""Taking a camera's motion out of a clip: every frame is seen as the middle one's camera saw it."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from fewact.camera.registration import Marks, difference, marks, pixels, register, unexplained
from fewact.camera.similarity import Similarity, view
from fewact.errors import OptionError, ShapeError
from fewact.shapes import check_shape

Mode = Literal["off", "auto", "on"]

SIDES = (112, 56, 28, 14)
"""Rows and columns of the grey pictures that are registered."""

STEPS = 6
CLOSE = 1 / 224
"""A mark this near to where it should be is explained, in heights of the picture."""

TEXTURED = 0.45
"""Share of the middle frame's blocks that have a mark where there is a background to hold on to: on
development clips 0.57 to 1 in rooms and before pictures, 0.11 to 0.31 on black."""

LEAST_EXPLAINED, SURE = 0.4, 0.75
"""A frame of whose marks less is explained shows something else: after a cut, say. In rooms those
of a moving camera have more. Without a background a body that squats explains many of them, too."""

BOLD, ZOOM, FRAMES = 0.25, 5.0, 0.75
"""Nobody zooms much while filming, and a body that squats looks like a zoom: without a background
marks are boldly believed where, in this share of the frames, more than BOLD + ZOOM · |log zoom| of
them is explained. Chosen on development clips, in part of which people squat, sit and jog."""

PIXEL_STEPS = 10
NEARER = 0.95
"""All pixels move a frame where that takes the difference from the middle one down to this."""

BETTER = 1.05
MOVED, HELD = 1.35, 4.5
"""A camera that stands still leaves something in its place, and nobody holds a camera quite still
for a fifth of a clip, while most people who are filmed do. The camera moved where, by its motion
alone, MOVED · exp(HELD · held) times as many marks are explained as by stillness alone: a line
between the cameras on development clips, in some of which people squat, sit down and jog."""

FEW = 0.01
"""Added to both shares of marks, which may be none."""

STILL = 1 / 448
"""A mark that moves less from one frame to the next stays, in heights of the picture."""


@dataclass(frozen=True, eq=False)
class Motion:
    """How the camera of a clip moved.

    Args:
        frames: (t) similarities, from points of the middle frame to those of each; the identity
            where none was found.
        bold: The same where marks are more easily believed without a background: finds the camera
            behind arms that move, and follows some bodies that do. Elsewhere it is ``frames``.
        by_motion: Share of the marks in other frames that only a motion found by them explains.
        by_stillness: Share of those that only a camera that stands still explains.
        held: Share of the marks that stay in their places from one frame to the next, in all of the
            stillest fifth of the clip.
    """

    frames: Similarity
    bold: Similarity
    by_motion: float
    by_stillness: float
    held: float

    @property
    def evidence(self) -> float:
        """For a camera that moved, rather than what it saw; against one where it is negative.

        How many times as many marks the motion alone explains as must be, as a logarithm.
        """
        times = (self.by_motion + FEW) / (self.by_stillness + FEW)
        return math.log(times / MOVED) - HELD * self.held

    @property
    def moved(self) -> bool:
        """Whether the camera moved at all."""
        return self.evidence > 0

    @property
    def bolder(self) -> Similarity:
        """From points of the frames stabilised by ``bold`` to those of the frames of ``auto``."""
        same = Similarity.identity(len(self.frames.turn), self.frames.turn.dtype)
        if not self.moved:
            return same
        as_bold = (self.bold.turn == self.frames.turn) & (self.bold.shift == self.frames.shift)
        return same.where(as_bold, self.frames.inverse().after(self.bold))


def stabilise(frames: Tensor, mode: Mode = "auto", *, aspect: float | None = None) -> Tensor:
    """Register all frames of a clip to the middle one, and fill what they do not show.

    Args:
        frames: (t 3 h w) uint8, RGB.
        mode: ``on``; ``auto``, where the camera moved and not only what it saw; ``off``.
        aspect: Width over height of the picture before it was squashed to this size, such as 4/3;
            None where it was not.

    Returns:
        (t 3 h w) uint8. A place that a frame does not show gets the mean of those that do.

    Raises:
        ShapeError: Another shape or type.
        OptionError: No such mode, or an aspect that is not positive.
    """
    return stabilised(frames, (mode,), aspect=aspect)[mode]


def stabilised(
    frames: Tensor,
    modes: Collection[Mode],
    *,
    aspect: float | None = None,
    motion: Motion | None = None,
) -> dict[Mode, Tensor]:
    """What ``stabilise`` gives in several modes; the same tensor where they come to the same.

    Args:
        frames: As there.
        modes: As there.
        aspect: As there.
        motion: Of the camera, where it is known already.
    """
    for mode in modes:
        _check(frames, mode, aspect)
    if not set(modes) - {"off"}:
        return dict.fromkeys(modes, frames)
    motion = motion or camera_motion(frames, aspect=aspect)
    moving = {"off": False, "auto": motion.moved, "on": True}
    needed = any(moving[mode] for mode in modes)
    steady = _warped(frames, motion.frames, aspect) if needed else frames
    return {mode: steady if moving[mode] else frames for mode in modes}


def _warped(frames: Tensor, found: Similarity, aspect: float | None) -> Tensor:
    """Frames as the middle one's camera saw them."""
    moving = ~found.stays
    if not moving.any():
        return frames
    size, pixel = (frames.shape[-2], frames.shape[-1]), _pixel(frames, frames, aspect)
    seen_as, seen = view(frames.float(), found, size, pixel=pixel)  # (t 3 h w), (t h w)
    shown = seen[:, None].to(seen_as)
    # The middle frame shows every place.
    mean = (seen_as * shown).sum(0) / shown.sum(0)
    filled = torch.where(seen[:, None], seen_as, mean).round().clamp(0, 255).to(torch.uint8)
    return torch.where(moving[:, None, None, None], filled, frames)


def camera_motion(frames: Tensor, *, aspect: float | None = None) -> Motion:
    """Estimate how the camera of a clip moved.

    By marks: neighbouring frames are registered to each other on small pictures, all at once.
    Chained, that is a first guess of each frame's place beside the middle one, to which it is then
    registered on larger ones; standing still is another first guess. Without a background a body
    that moves looks like a camera that does: frames that are not explained so are registered by all
    pixels, from standing still alone, which seldom follows a body.

    Args:
        frames: (t 3 h w) uint8, RGB.
        aspect: As in ``stabilise``.

    Raises:
        ShapeError: Another shape or type.
        OptionError: An aspect that is not positive.
    """
    _check(frames, "on", aspect)
    t, height = len(frames), frames.shape[-2]
    same = Similarity.identity(t)
    if t == 1:
        return Motion(same, same, 0.0, 0.0, 1.0)
    levels = [_Level(grey, _pixel(grey, frames, aspect)) for grey in _pyramid(frames)]
    fine = levels[0]
    middle = fine.middle()
    found = _by_marks(levels)
    by_motion, by_stillness = (
        _explained(middle, fine, one, CLOSE) for one in (found, same)
    )  # (t m) each
    explained, telling = by_motion.sum(1), middle.telling.sum(1)  # (t) each
    better = explained > BETTER * by_stillness.sum(1)
    better[t // 2] = False
    kept = better & (explained > LEAST_EXPLAINED * telling)
    marked = (telling.sum() - telling[t // 2]).clamp_min(1)
    only = ((by_motion & ~by_stillness)[kept], (by_stillness & ~by_motion)[kept])
    shares = [float(which.sum() / marked) for which in only]
    larger = height / fine.rows
    steady = bold = found.where(kept, same).scaled(larger)
    if telling[0] < TEXTURED * middle.telling.shape[1]:
        sure = better & (explained > SURE * telling)
        steady = bold = found.where(sure, _by_pixels(levels)).scaled(larger)
        zoom = found.turn.abs().log().abs()
        believed = explained > (BOLD + ZOOM * zoom) * telling
        if believed.sum() - 1 > FRAMES * (t - 1):  # The middle frame is.
            bold = found.where(better & (explained > BOLD * telling), same).scaled(larger)
    return Motion(steady, bold, shares[0], shares[1], _held(fine, frames))


@dataclass(frozen=True, eq=False)
class _Level:
    """Grey pictures (t h w) of one size, and the width of their pixels over its height."""

    pictures: Tensor
    pixel: float

    @property
    def rows(self) -> int:
        return self.pictures.shape[1]

    def middle(self, of: Callable[[Tensor, float], Marks] = marks) -> Marks:
        """Marks of the middle picture, for each of all."""
        t = len(self.pictures)
        return of(self.pictures[[t // 2]], self.pixel).of(torch.zeros(t, dtype=torch.int64))


def _by_marks(levels: Sequence[_Level]) -> Similarity:
    """Each frame's motion from the middle one, for the finest level."""
    fine, *coarse = levels
    t = len(fine.pictures)
    same = Similarity.identity(t)
    found = _chain(coarse[-1], coarse[-2], t // 2).scaled(fine.rows / coarse[-2].rows)
    for level in (*coarse[-2::-1], fine):
        middle, share = level.middle(), level.rows / fine.rows
        guesses = [found, same] if level is coarse[-2] else [found]
        reached = [
            register(middle, level.pictures, guess.scaled(share), level.pixel, STEPS)
            for guess in guesses
        ]
        close = [_explained(middle, level, one, CLOSE).sum(1) for one in (reached[0], reached[-1])]
        found = reached[0].where(close[0] >= close[1], reached[-1]).scaled(1 / share)
    return found


def _by_pixels(levels: Sequence[_Level]) -> Similarity:
    """Each frame's motion from the middle one where that brings it nearer; for the finest level."""
    rows, t = levels[0].rows, len(levels[0].pictures)
    found = same = Similarity.identity(t)
    for level in levels[2:0:-1]:
        middle, share = level.middle(pixels), level.rows / rows
        reached = register(middle, level.pictures, found.scaled(share), level.pixel, PIXEL_STEPS)
        found = reached.scaled(1 / share)
    off, still = (
        difference(middle, level.pictures, one, level.pixel) for one in (reached, same)
    )  # (t) each, of the larger of the two sizes
    nearer = off < NEARER * still
    nearer[t // 2] = False
    return found.where(nearer, same)


def _explained(still: Marks, level: _Level, found: Similarity, close: float) -> Tensor:
    """Which marks are where they should be: (t m) bool."""
    off = unexplained(still, level.pictures, found, level.pixel)
    return off < close * level.rows  # NaN is not


def _held(fine: _Level, frames: Tensor) -> float:
    """Share of marks that stay where they are in all of the stillest fifth of a clip."""
    # A frame that is shown twice says nothing.
    other = (frames[1:] != frames[:-1]).flatten(1).any(1).nonzero()[:, 0]
    if not len(other):
        return 1.0
    before, after = fine.pictures[other], fine.pictures[other + 1]
    known = marks(before, fine.pixel)
    still = Similarity.identity(len(other))
    stay = _explained(known, _Level(after, fine.pixel), still, STILL).sum(1)
    shares = stay / known.telling.sum(1).clamp_min(1)
    return float(shares.sort(descending=True).values[max(1, len(other) // 5) - 1])


def _chain(coarse: _Level, finer: _Level, middle: int) -> Similarity:
    """Each frame's motion from the middle one by those between neighbours; for the finer level."""
    t = len(coarse.pictures)
    near = torch.tensor([*range(middle, 0, -1), *range(middle, t - 1)])
    far = torch.tensor([*range(middle - 1, -1, -1), *range(middle + 1, t)])
    step = Similarity.identity(t - 1)
    for level in (coarse, finer):
        step = step.scaled(level.rows / coarse.rows if level is finer else 1.0)
        known = marks(level.pictures, level.pixel).of(near)
        step = register(known, level.pictures[far], step, level.pixel, STEPS)
    found = [Similarity.identity(1)] * t
    for i, (a, b) in enumerate(zip(near.tolist(), far.tolist(), strict=True)):
        found[b] = step[i : i + 1].after(found[a])
    return Similarity(torch.cat([f.turn for f in found]), torch.cat([f.shift for f in found]))


def _pyramid(frames: Tensor) -> list[Tensor]:
    """Grey pictures (t h w), fine to coarse, each of mean 0 and deviation 1."""
    luma = torch.tensor((0.299, 0.587, 0.114))
    grey = torch.einsum("c,tchw->thw", luma, frames.float())
    found = []
    for side in SIDES:
        size = (min(side, grey.shape[1]), min(side, grey.shape[2]))
        grey = functional.adaptive_avg_pool2d(grey[:, None], size)[:, 0]
        deviation = grey.std((1, 2), keepdim=True).clamp_min(1.0)
        found.append((grey - grey.mean((1, 2), keepdim=True)) / deviation)
    return found


def _pixel(pictures: Tensor, frames: Tensor, aspect: float | None) -> float:
    """Width of a pixel of some pictures (… h w) over its height."""
    shown = frames.shape[-1] / frames.shape[-2] if aspect is None else aspect
    return shown * pictures.shape[-2] / pictures.shape[-1]


def _check(frames: Tensor, mode: str, aspect: float | None) -> None:
    check_shape(frames, "t 3 h w", "frames")
    if frames.dtype != torch.uint8:
        raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
    modes = get_args(Mode)
    if mode not in modes:
        raise OptionError(
            "no such mode", where="stabilise", got=repr(mode), expected=", ".join(modes)
        )
    if aspect is not None and not 0.05 < aspect < 20:
        raise OptionError(
            "no such shape of a picture", where="aspect", got=repr(aspect), expected="0.05 to 20"
        )
