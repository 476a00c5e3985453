"""Frames, images and vectors that a user passes as arrays or tensors, checked, as NumPy arrays."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError

FRAMES_EXPECTED = (
    "RGB frames, uint8: an array or tensor (t, h, w, 3) or (t, 3, h, w), or a list of images of "
    "equal size"
)
OF_FEATURES = "Features (t, d) of a clip are passed as FeatureClip(name, vectors)."
"""Hint for an array of two axes."""
IMAGE_EXPECTED = "an RGB image, uint8: an array or tensor (h, w, 3) or (3, h, w), or a PIL image"


def is_tensor(value: object) -> bool:
    """Return whether a value is a tensor, of torch or of a library like it; loads no torch."""
    return hasattr(value, "detach") and hasattr(value, "device")


def as_array(value: Any, where: str, expected: str) -> NDArray[Any]:
    """Return an array, or a tensor on any device, as an array.

    Tensors are refused if NumPy has no such numbers or layout; ``where`` and ``expected`` are for
    the error.
    """
    check_dense(value, where, expected)
    tensor = is_tensor(value)
    try:
        if tensor:
            value = value.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        named = f"{value.dtype} on {value.device}" if tensor else type(value).__name__
        raise DataError(
            "cannot be converted to an array",
            where=where,
            got=f"{named}: {str(error).splitlines()[0][:80]}",
            expected=expected,
        ) from error


def check_dense(value: Any, where: str, expected: str) -> None:
    """Refuse a tensor that is sparse, nested, or without data; other values are not checked."""
    if not is_tensor(value):
        return
    layout = str(getattr(value, "layout", "")).removeprefix("torch.")
    if getattr(value.device, "type", "") == "meta":
        fault, hint = "the tensor has no data", "Pass a tensor on the CPU or a GPU."
    elif getattr(value, "is_nested", False):
        fault, hint = "the tensor is nested", "Pass its tensors as a list: tensor.unbind()."
    elif layout.startswith("sparse"):
        fault, hint = "the tensor is sparse", "Pass tensor.to_dense()."
    else:
        return
    got = f"layout {layout}, device {value.device}"
    raise DataError(fault, where=where, got=got, expected=expected, hint=hint)


def check_vectors_are_numpy(vectors: object, where: str, expected: str) -> None:
    """Refuse vectors that are no NumPy array; ``where`` names their clip."""
    if isinstance(vectors, np.ndarray):
        return
    check_dense(vectors, where, expected)
    of_tensor = "vectors.detach().cpu().float().numpy()"
    array = of_tensor if is_tensor(vectors) else "numpy.asarray(vectors, numpy.float32)"
    raise DataError(
        "the vectors are not a NumPy array",
        where=where,
        got=type(vectors).__name__,
        expected=expected,
        hint=f"Pass {array}.",
    )


def is_image(value: object) -> bool:
    """Return whether a value is one image: an array or tensor of 2 or 3 axes, or a PIL image."""
    if isinstance(value, np.ndarray) or is_tensor(value):
        return getattr(value, "ndim", 0) in (2, 3)
    return hasattr(value, "convert") and hasattr(value, "getbands")


def is_frames(value: object) -> bool:
    """Return whether a value is the frames of one clip: 4 axes, or a list of images."""
    if isinstance(value, np.ndarray) or is_tensor(value):
        return getattr(value, "ndim", 0) == 4
    return isinstance(value, list | tuple) and bool(value) and is_image(value[0])


def as_frames(value: Any, where: str) -> NDArray[np.uint8]:
    """Return frames (t h w 3) of an array, a tensor or a sequence of images.

    Args:
        value: Frames.
        where: Name of the clip, for the error.

    Raises:
        DataError: These are no RGB frames of 8 bits.
    """
    if not (is_tensor(value) or hasattr(value, "shape")):
        return _stack(value, where)
    array = as_array(value, where, FRAMES_EXPECTED)
    if array.ndim == 4 and array.shape[-1] != 3 and array.shape[1] == 3:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        hint = _to_rgb(array.shape) if array.ndim == 4 else ""
        got = str(array.shape)
        raise DataError("not frames", where=where, got=got, expected=FRAMES_EXPECTED, hint=hint)
    return _checked(array, where)


def _stack(images: Iterable[Any], where: str) -> NDArray[np.uint8]:
    if not isinstance(images, Iterable):
        raise DataError(
            "not frames", where=where, got=type(images).__name__, expected=FRAMES_EXPECTED
        )
    frames: list[NDArray[np.uint8]] = []
    for image in images:
        frame = as_image(image, f"{where}, frame {len(frames)}", of_vectors=OF_FEATURES)
        if frames and frame.shape != frames[0].shape:
            raise DataError(
                "frames of one clip differ in size",
                where=f"{where}, frame {len(frames)}",
                got=str(frame.shape),
                expected=f"{frames[0].shape}, as the first",
            )
        frames.append(frame)
    if not frames:
        raise DataError("no frames", where=where, expected=FRAMES_EXPECTED)
    return np.stack(frames)


def as_image(image: Any, where: str, *, of_vectors: str = "") -> NDArray[np.uint8]:
    """Return an image (h w 3) of an array or a tensor, also (3 h w), or of a PIL image.

    Args:
        image: Image.
        where: Name of the image, for the error.
        of_vectors: Hint if two axes may be feature vectors, not a grey image.
    """
    image = _as_rgb(image, where) if hasattr(image, "convert") else image
    array = as_array(image, where, IMAGE_EXPECTED)
    if array.ndim == 3 and array.shape[-1] != 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[-1] != 3 or not array.size:
        hints = [_to_rgb(array.shape), of_vectors if array.ndim == 2 else ""]
        raise DataError(
            "not an image",
            where=where,
            got=str(array.shape) if array.ndim else type(image).__name__,
            expected=IMAGE_EXPECTED,
            hint=" ".join(filter(None, hints)),
        )
    return _checked(array, where)


def _to_rgb(shape: tuple[int, ...]) -> str:
    """Return how grey frames, or frames with transparency, become RGB; empty for other shapes."""
    if len(shape) == 2:
        return "Grey frames: numpy.stack([frame] * 3, axis=-1)."
    if shape[-1:] == (1,):
        return "Grey frames: numpy.repeat(frames, 3, axis=-1)."
    if shape[-1:] == (4,):
        return "Leave the fourth channel out: frames[..., :3]."
    return ""


def _as_rgb(image: Any, where: str) -> Any:
    """Return a PIL image in RGB; PIL would cut off values above 255."""
    mode = str(getattr(image, "mode", ""))
    if mode.startswith(("I", "F")):
        raise DataError(
            "pixels of more than 8 bits",
            where=where,
            got=f"a PIL image of mode {mode}",
            expected="8 bits for each colour",
            hint="Scale the values to 0 … 255, and convert them to uint8.",
        )
    try:
        return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise DataError("the image cannot be read", where=where, got=str(error)) from error


def _checked(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise DataError(
            "frames of another type",
            where=where,
            got=str(array.dtype),
            expected="uint8, values from 0 to 255",
            hint="Values from 0 to 1: (255 * frames).round(), then uint8."
            if array.dtype.kind == "f"
            else "",
        )
    return array
