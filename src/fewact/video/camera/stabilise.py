"""Stabilisation: every frame of a clip is warped to the view of the middle frame's camera."""

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.video.camera import Stabilise, _native
from fewact.video.camera.motion import (
    CameraMotion,
    check_clip,
    estimate_camera_motion,
    pixel_aspect,
)
from fewact.video.camera.similarity import Similarity, warp


def stabilise(frames: Tensor, mode: Stabilise = "auto", *, aspect: float | None = None) -> Tensor:
    """Warp all frames of a clip to the view of the middle frame.

    Pixels outside a frame are filled with the mean over the frames that cover them.

    Args:
        frames: Clip (t 3 h w), uint8, RGB.
        mode: ``on``; ``auto``: only if the camera moved, rather than what it recorded; ``off``.
        aspect: Width over height of the frames before they were resized without keeping the aspect
            ratio, such as 4/3; None if the ratio is unchanged.

    Returns:
        Frames (t 3 h w), uint8; the same tensor if they stay as they are.
    """
    check_clip(frames, aspect)
    motion = removed_motion(mode, lambda: estimate_camera_motion(frames, aspect=aspect))
    return frames if motion is None else without_motion(frames, motion, aspect)


def removed_motion(mode: Stabilise, motion: Callable[[], CameraMotion]) -> Similarity | None:
    """Return the camera motion that a mode removes from a clip: (t); None if the frames stay.

    Args:
        mode: As for ``stabilise``.
        motion: Returns the camera motion of the clip; not called if the mode is ``off``.
    """
    if mode not in get_args(Stabilise):
        raise OptionError(
            "unknown mode",
            where="stabilise",
            got=repr(mode),
            expected=", ".join(get_args(Stabilise)),
        )
    if mode == "off":
        return None
    estimates = motion()
    if mode != "on" and not estimates.moved:
        return None
    return estimates.motion


def without_motion(frames: Tensor, motion: Similarity, aspect: float | None = None) -> Tensor:
    """Warp frames by a known camera motion.

    Args:
        frames: As for ``stabilise``.
        motion: Similarities (t) from positions in the middle frame to positions in each frame.
        aspect: As for ``stabilise``.

    Returns:
        Frames (t 3 h w), uint8; the same tensor if the motion is the identity.
    """
    moved = ~motion.is_identity
    if not moved.any():
        return frames
    size, pixel = (frames.shape[-2], frames.shape[-1]), pixel_aspect(frames, frames, aspect)
    if _native.computes(frames, motion.linear):
        return _native.warp_frames(frames, motion, pixel)
    warped, inside = warp(frames.float(), motion, size, pixel=pixel)  # (t 3 h w), (t h w)
    covers = inside[:, None].to(warped)
    mean = (warped * covers).sum(0) / covers.sum(0)  # the middle frame covers every pixel
    filled = torch.where(inside[:, None], warped, mean).round().clamp(0, 255).to(torch.uint8)
    return torch.where(moved[:, None, None, None], filled, frames)
