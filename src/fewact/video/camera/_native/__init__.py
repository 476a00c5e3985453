"""Compiled forms of functions on frames, where the package was built with them.

The modules of ``fewact.video`` that call them have the same functions in NumPy, and describe the
arguments. Keypoints, components and resized images are equal, the other results up to rounding.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fewact.core.machine import load_library

CAMERA_VERSION = 5
"""Version of the library's interface."""

COLOUR_CHANNELS = 3
"""Channels of images that are warped and resized."""

Image32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

KeypointArrays = tuple[Complex64, Image32, Image32, Image32, NDArray[np.bool_]]
"""Positions, values (p m), jacobian (p m 6), gradient lengths, validity: see ``Keypoints``."""

Motion = tuple[Complex64, Complex64]
"""Linear parts and shifts (p) of similarities."""

Limits = tuple[float, float, float, float, float]
"""Largest zoom, roll and shift, smallest gradient and spread."""


class Axis(NamedTuple):
    """Weights of the pixels of a side in a side of another length.

    Args:
        length: Number n of old pixels.
        first: First old pixel (m) in the sum of each new pixel.
        weights: Weights (m k) of this pixel and the next ones, times 2^``precision``.
        precision: Exponent, 1 to 22.
    """

    length: int
    first: NDArray[np.int32]
    weights: NDArray[np.int16]
    precision: int


class RealAxis(NamedTuple):
    """Weights (m k) of the pixels of a side, not rounded; see ``Axis``."""

    length: int
    first: NDArray[np.int32]
    weights: NDArray[np.float32]


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


class _RealAxis(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("before", "after", "taps")),
        *((name, ctypes.c_void_p) for name in ("first", "weights")),
    )


class _Axis(_RealAxis):
    _fields_ = (("precision", ctypes.c_int64),)


class _Planes(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("t", "height", "width", "colours")),
        ("data", ctypes.c_void_p),
    )


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled library; None where it is not built or cannot be loaded."""
    try:
        loaded = load_library("fewact_camera", __path__, version=CAMERA_VERSION)
    except OSError:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    problem = [ctypes.POINTER(kind) for kind in (_Keypoints, _Images, _Limits)]
    images, blocks = ctypes.POINTER(_Images), ctypes.POINTER(_Blocks)
    axis = ctypes.POINTER(_Axis)
    loaded.fewact_camera_detect.argtypes = [images, size, blocks, problem[-1], *[pointer] * 5]
    loaded.fewact_camera_register.argtypes = [*problem, size, pointer, pointer]
    loaded.fewact_camera_residuals.argtypes = [*problem, pointer, pointer, pointer]
    loaded.fewact_camera_warp.argtypes = [ctypes.POINTER(_Frames), *[pointer] * 3]
    loaded.fewact_camera_resize.argtypes = [pointer, size, axis, axis, pointer]
    real_axis = ctypes.POINTER(_RealAxis)
    loaded.fewact_camera_resize_planes.argtypes = [pointer, size, real_axis, real_axis, pointer]
    loaded.fewact_camera_sample.argtypes = [ctypes.POINTER(_Planes), size, *[pointer] * 3]
    loaded.fewact_camera_label.argtypes = [pointer, size, size, size, pointer]
    loaded.fewact_camera_total.argtypes = [pointer, size, size, pointer]
    return loaded


def computes(*arrays: NDArray[Any]) -> bool:
    """Return whether the library is there and computes with these arrays."""
    types = (np.float32, np.complex64, np.uint8, np.bool_)
    fits = all(array.dtype in types for array in arrays)
    return fits and library() is not None


def detect(
    images: Image32, pixel: float, blocks: tuple[int, int], limits: Limits
) -> KeypointArrays:
    """Return the fields of ``Keypoints`` of ``registration.detect_keypoints``."""
    images = np.ascontiguousarray(images)
    p, height, width = images.shape
    m = blocks[0] * blocks[1]
    at, value = np.empty((p, m), np.complex64), np.empty((p, m), np.float32)
    jacobian = np.empty((p, m, 6), np.float32)
    gradient = np.empty((p, m), np.float32)
    valid = np.empty((p, m), np.bool_)
    keypoints = (at, value, jacobian, gradient, valid)
    grey = _Images(_pointer(images), height, width, pixel)
    _run("detect", grey, p, _Blocks(*blocks), _Limits(*limits), *map(_pointer, keypoints))
    return keypoints


def register(
    reference: KeypointArrays,
    images: Image32,
    initial: Motion,
    pixel: float,
    steps: int,
    limits: Limits,
) -> Motion:
    """Estimate similarities (p), see ``registration.register``."""
    linear, shift = (np.array(part, order="C") for part in initial)
    parts = _pointer(linear), _pointer(shift)
    _call("register", reference, images, pixel, limits, steps, *parts)
    return linear, shift


def residuals(
    reference: KeypointArrays, images: Image32, motion: Motion, pixel: float, limits: Limits
) -> Image32:
    """Return residuals (p m), see ``registration.residuals``."""
    linear, shift = (np.ascontiguousarray(part) for part in motion)
    off = np.empty(reference[1].shape, np.float32)
    _call("residuals", reference, images, pixel, limits, *map(_pointer, (linear, shift, off)))
    return off


def warp_frames(frames: NDArray[np.uint8], motion: Motion, pixel: float) -> NDArray[np.uint8]:
    """Warp frames (t h w 3), see ``motion.without_motion``."""
    frames = np.ascontiguousarray(frames)
    warped = np.empty_like(frames)
    t, height, width, _ = frames.shape
    linear, shift = (np.ascontiguousarray(part) for part in motion)
    clip = _Frames(t, height, width, _pointer(frames), pixel)
    _run("warp", clip, *map(_pointer, (linear, shift, warped)))
    return warped


def resize(images: NDArray[np.uint8], rows: Axis, columns: Axis) -> NDArray[np.uint8]:
    """Resize images (t h w 3), see ``fewact.video.resizing.resized``."""
    images = np.ascontiguousarray(images)
    resized = np.empty(
        (len(images), len(rows.first), len(columns.first), COLOUR_CHANNELS), np.uint8
    )
    axes = (
        _Axis(a.length, *a.weights.shape, _pointer(a.first), _pointer(a.weights), a.precision)
        for a in (rows, columns)
    )
    _run("resize", _pointer(images), len(images), *axes, _pointer(resized))
    return resized


def resize_planes(images: Image32, rows: RealAxis, columns: RealAxis) -> Image32:
    """Resize images (t h w), see ``fewact.video.resizing.resized_planes``."""
    images = np.ascontiguousarray(images)
    resized = np.empty((len(images), len(rows.first), len(columns.first)), np.float32)
    axes = (
        _RealAxis(a.length, *a.weights.shape, _pointer(a.first), _pointer(a.weights))
        for a in (rows, columns)
    )
    _run("resize_planes", _pointer(images), len(images), *axes, _pointer(resized))
    return resized


def sample(images: Image32, x: Image32, y: Image32) -> Image32:
    """Return values (t n c) of images (t h w c), see ``registration.sample``."""
    images, x, y = (np.ascontiguousarray(array) for array in (images, x, y))
    values = np.empty((*x.shape, images.shape[-1]), np.float32)
    grids = _Planes(*images.shape, _pointer(images))
    _run("sample", grids, x.shape[1], *map(_pointer, (x, y, values)))
    return values


def label(cells: NDArray[np.bool_], reach: int) -> NDArray[np.int32]:
    """Return the number (r c) of each cell's component, see ``fewact.video.regions``."""
    cells = np.ascontiguousarray(cells)
    labels = np.empty(cells.shape, np.int32)
    _run("label", _pointer(cells), *cells.shape, reach, _pointer(labels))
    return labels


def total(values: Image32) -> Image32:
    """Return the sums (t) of rows (t n), see ``fewact.video.pooling.totals``."""
    values = np.ascontiguousarray(values)
    sums = np.empty(len(values), np.float32)
    _run("total", _pointer(values), *values.shape, _pointer(sums))
    return sums


def _call(
    name: str,
    reference: KeypointArrays,
    images: Image32,
    pixel: float,
    limits: Limits,
    *arguments: int,
) -> None:
    images = np.ascontiguousarray(images)
    p, m = reference[1].shape
    sets = 1 if reference[1].strides[0] == 0 else p
    # Alive until the call returns.
    parts = [np.ascontiguousarray(part[:sets]) for part in reference]
    height, width = images.shape[-2:]
    keypoints = _Keypoints(p, sets, m, *map(_pointer, parts))
    grey = _Images(_pointer(images), height, width, pixel)
    _run(name, keypoints, grey, _Limits(*limits), *arguments)


def _pointer(array: Any) -> int:
    address: int = array.ctypes.data
    return address


def _run(name: str, *arguments: "int | ctypes.Structure") -> None:
    """Call a function of the library; the GIL is released meanwhile."""
    by_reference = (
        ctypes.byref(value) if isinstance(value, ctypes.Structure) else value for value in arguments
    )
    if getattr(library(), f"fewact_camera_{name}")(*by_reference):
        raise MemoryError("not enough memory to register frames")
