"""Stabilisation: every frame of a clip is warped to the view of the middle frame's camera."""

from collections.abc import Collection
from typing import Literal, get_args

import torch
from torch import Tensor

from fewact.camera import _native
from fewact.camera.motion import CameraMotion, check_clip, estimate_camera_motion, pixel_aspect
from fewact.camera.similarity import Similarity, warp
from fewact.errors import OptionError

Mode = Literal["off", "auto", "on", "permissive"]


def stabilise(frames: Tensor, mode: Mode = "auto", *, aspect: float | None = None) -> Tensor:
    """Warp all frames of a clip to the view of the middle frame.

    Pixels outside a frame are filled with the mean over the frames that cover them.

    Args:
        frames: Clip (t 3 h w), uint8, RGB.
        mode: ``on``; ``auto``: only if the camera moved, rather than what it recorded;
            ``permissive``: then, by the permissive estimate of its motion; ``off``.
        aspect: Width over height of the frames before they were resized without keeping the aspect
            ratio, such as 4/3; None if the ratio is unchanged.

    Returns:
        Frames (t 3 h w), uint8.

    Raises:
        ShapeError: The frames have another shape or type.
        OptionError: The mode is unknown or the aspect ratio out of range.
    """
    return stabilise_modes(frames, (mode,), aspect=aspect)[mode]


def stabilise_modes(
    frames: Tensor,
    modes: Collection[Mode],
    *,
    aspect: float | None = None,
    motion: CameraMotion | None = None,
) -> dict[Mode, Tensor]:
    """Return what ``stabilise`` gives in each mode; modes with equal results share one tensor.

    Args:
        frames: As for ``stabilise``.
        modes: Modes, as for ``stabilise``.
        aspect: As for ``stabilise``.
        motion: Camera motion of the clip if it is known already.

    Raises:
        ShapeError: The frames have another shape or type.
        OptionError: A mode is unknown or the aspect ratio out of range.
    """
    check_clip(frames, aspect)
    for mode in modes:
        if mode not in get_args(Mode):
            raise OptionError(
                "unknown mode",
                where="stabilise",
                got=repr(mode),
                expected=", ".join(get_args(Mode)),
            )
    if not set(modes) - {"off"}:
        return dict.fromkeys(modes, frames)
    motion = motion or estimate_camera_motion(frames, aspect=aspect)
    found: dict[Mode, Tensor] = {}
    warped: dict[int, Tensor] = {}
    for mode in modes:
        if mode == "off" or (mode != "on" and not motion.moved):
            found[mode] = frames
            continue
        estimate = motion.permissive if mode == "permissive" else motion.conservative
        if id(estimate) not in warped:
            warped[id(estimate)] = _warp_frames(frames, estimate, aspect)
        found[mode] = warped[id(estimate)]
    return found


def _warp_frames(frames: Tensor, motion: Similarity, aspect: float | None) -> Tensor:
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
