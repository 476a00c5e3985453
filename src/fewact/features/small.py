"""Small frames, and images of what changes between frames, 64 pixels high.

A network sees outlines of a person in small frames, too, for a ninth of the time. Images of
differences show movement alone, whatever the clothes and the background. Their red, green and blue
are the absolute differences of grey neighbours in three pairs of frames: the one before a frame,
the one that ends with it, and the one that begins with it. So a network for photographs sees
outlines of movement, and their colours say where it goes. A change of the light is no movement: it
is taken away before. Both run through the first blocks of the network only.
"""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from fewact.video.camera.measured import grey_of
from fewact.video.cleaning.flicker import same_light

GAIN = 3.0
"""Factor of the differences, most of which are far below 255."""

SIDE = 64
"""Height of the images in pixels, whatever that of the frames, unless these are smaller."""

NEAR, LITTLE, MANY = 4, 0.15, 0.3
"""Changes before and after that of a repeated frame, its largest ratio to the greatest of either,
and the least fraction of such frames: where fewer repeat others, motion is hardly less even."""

STRIDE = 16
"""Pixels by which the sides of an image are divisible, as those of a frame."""


def image_size(height: int, width: int, side: int = SIDE) -> tuple[int, int]:
    """Return the height and width of an image from those of the frames.

    Args:
        height: Height of the frames.
        width: Width of the frames.
        side: Height of the image, a multiple of 16; at most that of the frames.
    """
    side = min(side, STRIDE * max(1, height // STRIDE))
    return side, STRIDE * max(1, round(side * width / height / STRIDE))


def halved(frames: Tensor) -> Tensor:
    """Return frames (n 3 H W) uint8 of half the size, unless small frames are larger than that.

    A pixel is the mean of four.
    """
    height, width = (side // 2 for side in frames.shape[-2:])
    if height < SIDE:
        return frames
    return functional.interpolate(frames, (height, max(1, width)), mode="bilinear")


def repeats(frames: Tensor, grey: Tensor) -> Tensor:
    """Return which of the frames repeat the one before: (n) bool; none if they are few.

    A frame that is equal does. An encoder does not leave repeats equal, but they change much less
    than their neighbours do, before and after. A person who stands still does so at the ends of a
    movement only.

    Args:
        frames: Frames (n 3 H W), uint8, in the order of time.
        grey: Their luma (n H W).
    """
    none = torch.zeros(len(frames), dtype=torch.bool)
    if len(frames) < 2:
        return none
    change = torch.stack([(after - before).abs().mean() for before, after in pairwise(grey)])
    equal = torch.tensor([torch.equal(before, after) for before, after in pairwise(frames)])
    greatest = functional.pad(change, (NEAR, NEAR)).unfold(0, NEAR, 1).amax(1)
    before, after = greatest[: len(change)].clone(), greatest[-len(change) :].clone()
    before[0], after[-1] = after[0], before[-1]  # nothing is known of the other side
    repeated = equal | (change < LITTLE * torch.minimum(before, after))
    frequent = bool(repeated.float().mean() >= MANY)
    return functional.pad(repeated, (1, 0)) if frequent else none


def without_repeats(frames: Tensor, repeated: Tensor) -> Tensor:
    """Return frames (n …) uint8 of which those that repeat others change evenly to the next one.

    A video of a low frame rate that was saved at a higher one repeats frames. What moves in it
    would stand still, and then jump.

    Args:
        frames: The frames, in the order of time.
        repeated: Which of them (n) repeat the one before; those at the end stay. The same frames
            are returned if none does.
    """
    if not repeated.any():
        return frames
    even, first = frames.clone(), 0
    for last in torch.arange(len(frames))[~repeated].tolist():
        for i in range(first + 1, last):
            part = (i - first) / (last - first)
            even[i] = torch.lerp(frames[first].float(), frames[last].float(), part).round_()
        first = last
    return even


def small_frames(frames: Tensor, side: int = SIDE) -> Tensor:
    """Return frames (n 3 H W) uint8 in a smaller size: (n 3 h w) uint8.

    Args:
        frames: uint8.
        side: Their new height, see ``image_size``.
    """
    height, width = frames.shape[-2:]
    size = image_size(height, width, side)
    return functional.interpolate(frames, size, mode="bilinear", antialias=True)


def difference_images(frames: Tensor, side: int = SIDE, *, grey: Tensor | None = None) -> Tensor:
    """Return images (n 3 h w) uint8 of the changes around each of the frames (n 3 H W).

    Args:
        frames: uint8, in the order of time. A pair beyond either end has no differences.
        side: Height of the images, see ``image_size``.
        grey: Luma (n H W) of the frames if it is known already.
    """
    grey = same_light(grey_of(frames) if grey is None else grey)
    height, width = grey.shape[-2:]
    size = image_size(height, width, side)
    changes = grey.new_empty(max(len(grey) - 1, 0), *size)
    for small, before, after in zip(changes, grey[:-1], grey[1:], strict=True):
        pair = (after - before).abs_()[None, None]  # one fits the cache
        small[:] = functional.interpolate(pair, size, mode="bilinear", antialias=True)[0, 0]
    rounded = (GAIN * changes).round_().clamp_(0, 255).to(torch.uint8)
    padded = functional.pad(rounded, (0, 0, 0, 0, 2, 2))  # (n+3 h w)
    return torch.stack([padded[i : i + len(frames)] for i in range(3)], 1)
