"""Compiled forms of keypoints, registration and warp, where the package was built with them.

``registration.py`` and ``motion.py`` have the same in torch, and say what arguments mean. The
keypoints are equal, the other results up to rounding.
"""

import ctypes
from functools import cache

import torch
from torch import Tensor

from fewact.core.machine import load_library

VERSION = 2
"""Version of the library's interface."""

KeypointTensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Positions, values (p m), jacobian (p m 6), gradient lengths, validity: see ``Keypoints``."""

Motion = tuple[Tensor, Tensor]
"""Linear parts and shifts (p) of similarities, complex."""

Limits = tuple[float, float, float, float, float]
"""Largest zoom, roll and shift, smallest gradient and spread."""


class _Keypoints(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("p", "sets", "m")),
        *((name, ctypes.c_void_p) for name in ("at", "value", "jacobian", "gradient", "valid")),
    )


class _Images(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("height", "width")),
        ("pixel", ctypes.c_double),
    )


class _Limits(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_double) for name in ("zoom", "roll", "shift", "flat", "spread")
    )


class _Frames(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("t", "height", "width")),
        ("data", ctypes.c_void_p),
        ("pixel", ctypes.c_double),
    )


class _Blocks(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in ("rows", "columns"))


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled library; None where it is not built or cannot be loaded."""
    try:
        loaded = load_library("fewact_camera", __path__, version=VERSION)
    except OSError:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    problem = [ctypes.POINTER(kind) for kind in (_Keypoints, _Images, _Limits)]
    images, blocks = ctypes.POINTER(_Images), ctypes.POINTER(_Blocks)
    loaded.fewact_camera_detect.argtypes = [images, size, blocks, problem[-1], *[pointer] * 5]
    loaded.fewact_camera_register.argtypes = [*problem, size, pointer, pointer]
    loaded.fewact_camera_residuals.argtypes = [*problem, pointer, pointer, pointer]
    loaded.fewact_camera_warp.argtypes = [ctypes.POINTER(_Frames), *[pointer] * 3]
    return loaded


def computes(*tensors: Tensor) -> bool:
    """Return whether the library is there and computes with these tensors."""
    types = (torch.float32, torch.complex64, torch.uint8)
    fits = all(tensor.device.type == "cpu" and tensor.dtype in types for tensor in tensors)
    return fits and library() is not None


def detect(
    images: Tensor, pixel: float, blocks: tuple[int, int], limits: Limits
) -> KeypointTensors:
    """Return the fields of ``Keypoints`` of ``registration.detect_keypoints``."""
    images = images.contiguous()
    p, height, width = images.shape
    m = blocks[0] * blocks[1]
    at, value = torch.empty(p, m, dtype=torch.complex64), torch.empty(p, m, dtype=torch.float32)
    jacobian = torch.empty(p, m, 6, dtype=torch.float32)
    gradient = torch.empty_like(value)
    valid = torch.empty(p, m, dtype=torch.bool)
    keypoints = (at, value, jacobian, gradient, valid)
    grey = _Images(images.data_ptr(), height, width, pixel)
    pointers = (tensor.data_ptr() for tensor in keypoints)
    _run("detect", grey, p, _Blocks(*blocks), _Limits(*limits), *pointers)
    return keypoints


def register(
    reference: KeypointTensors,
    images: Tensor,
    initial: Motion,
    pixel: float,
    steps: int,
    limits: Limits,
) -> Motion:
    """Estimate similarities (p), see ``registration.register``."""
    linear, shift = (part.clone(memory_format=torch.contiguous_format) for part in initial)
    _call("register", reference, images, pixel, limits, steps, linear.data_ptr(), shift.data_ptr())
    return linear, shift


def residuals(
    reference: KeypointTensors, images: Tensor, motion: Motion, pixel: float, limits: Limits
) -> Tensor:
    """Return residuals (p m), see ``registration.residuals``."""
    linear, shift = (part.contiguous() for part in motion)
    off = torch.empty_like(reference[1], memory_format=torch.contiguous_format)
    pointers = (linear.data_ptr(), shift.data_ptr(), off.data_ptr())
    _call("residuals", reference, images, pixel, limits, *pointers)
    return off


def warp_frames(frames: Tensor, motion: Motion, pixel: float) -> Tensor:
    """Warp frames (t 3 h w) uint8, see ``motion.without_motion``."""
    frames = frames.contiguous(memory_format=torch.channels_last)
    warped = torch.empty_like(frames)
    t, _, height, width = frames.shape
    linear, shift = (part.contiguous() for part in motion)
    clip = _Frames(t, height, width, frames.data_ptr(), pixel)
    _run("warp", clip, linear.data_ptr(), shift.data_ptr(), warped.data_ptr())
    return warped


def _call(
    name: str,
    reference: KeypointTensors,
    images: Tensor,
    pixel: float,
    limits: Limits,
    *arguments: int,
) -> None:
    images = images.contiguous()
    p, m = reference[1].shape
    sets = 1 if reference[1].stride(0) == 0 else p
    parts = [part[:sets].contiguous() for part in reference]  # alive until the call returns
    height, width = images.shape[-2:]
    keypoints = _Keypoints(p, sets, m, *(part.data_ptr() for part in parts))
    _run(
        name,
        keypoints,
        _Images(images.data_ptr(), height, width, pixel),
        _Limits(*limits),
        *arguments,
    )


def _run(name: str, *arguments: "int | ctypes.Structure") -> None:
    """Call a function of the library; the GIL is released meanwhile."""
    by_reference = (
        ctypes.byref(value) if isinstance(value, ctypes.Structure) else value for value in arguments
    )
    if getattr(library(), f"fewact_camera_{name}")(*by_reference):
        raise MemoryError("not enough memory to register frames")
