"""What users pass as clips: paths, bytes, file objects, frames; as one list of clips."""

import glob
import os
from collections.abc import Iterable, Mapping, Sized
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fewact.core.errors import DataError
from fewact.core.paths import user_path
from fewact.data import (
    AnyClip,
    Clip,
    FeatureClip,
    Frames,
    VideoBytes,
    expand_paths,
    is_clip,
    is_features,
    read_features,
)
from fewact.data.clips import OF_FEATURES, check_dense, is_frames, is_image

ClipLike: TypeAlias = (
    str | os.PathLike[str] | AnyClip | bytes | bytearray | IO[bytes] | NDArray[np.uint8] | Tensor
)
"""One clip: a path; a ``Clip``, ``Frames``, ``VideoBytes`` or ``FeatureClip``; the bytes of a video
file, or an open one; or frames, as an array or tensor (t h w 3). A list of images is one clip, too.
"""

EXPECTED = "a path, Clip, Frames, bytes of a video file, an open file, or frames (t, h, w, 3)"


def as_list(values: Any) -> tuple[list[ClipLike], bool]:
    """Return one clip or several as a list, and whether it was one.

    Raises:
        DataError: It is neither.
    """
    if isinstance(values, Mapping):
        raise DataError(
            "clips by name",
            got=_shown(values),
            expected="a clip or a list of clips",
            hint="Only fit and score take the clips of each class in a dictionary.",
        )
    if hasattr(values, "columns"):  # as an iterable it has their names
        raise DataError(
            "a table in memory",
            got=_shown(values),
            expected="a clip or a list of clips",
            hint='Pass its column of paths, such as table["path"].',
        )
    check_dense(values, "clips", EXPECTED)
    if _is_one(values):
        return [values], True
    try:
        return list(values), False
    except TypeError:
        raise _no_clip(values) from None


def _is_one(value: object) -> bool:
    return (
        isinstance(value, str | os.PathLike | AnyClip | bytes | bytearray | memoryview)
        or hasattr(value, "read")
        or is_frames(value)
    )


def as_clip(value: ClipLike) -> AnyClip:
    """Return a value as a clip; a path is the entire file.

    Raises:
        DataError: It is no clip.
    """
    if isinstance(value, AnyClip):
        return value
    check_dense(value, "clip", EXPECTED)
    if isinstance(value, str | os.PathLike):
        return Clip(user_path(value, DataError))
    if isinstance(value, bytes | bytearray | memoryview):
        return VideoBytes(bytes(value))
    if hasattr(value, "read"):
        return _read(value)
    if is_frames(value):
        return Frames(value)
    raise _no_clip(value)


def query_clips(values: ClipLike | Iterable[ClipLike]) -> tuple[list[AnyClip], bool]:
    """Return the clips to predict, and whether one clip was passed, not a list.

    A folder of clips, a pattern and a file of features stand for all their clips, as on the command
    line.

    Raises:
        DataError: A value is no clip, or a folder or pattern has none.
    """
    values_of_clips, single = as_list(values)
    if single:
        return _expanded(values_of_clips[0])
    return [clip for value in values_of_clips for clip in _expanded(value)[0]], False


def each_query(values: ClipLike | Iterable[ClipLike]) -> Iterable[AnyClip]:
    """Return the clips to predict; an iterable of unknown length is read while clips are taken.

    Such an iterable is read ahead, and may reuse its arrays for the next clip: they are copied.

    Raises:
        DataError: As for ``query_clips``; of an iterable of unknown length when it is reached.
    """
    if _is_one(values) or isinstance(values, Sized) or not isinstance(values, Iterable):
        return query_clips(values)[0]
    return (_copied(clip) for value in values for clip in _expanded(value)[0])


def _copied(clip: AnyClip) -> AnyClip:
    if isinstance(clip, Frames):
        return replace(clip, array=clip.array.copy())
    if isinstance(clip, FeatureClip):
        return replace(clip, vectors=clip.vectors.copy())
    return clip


def _expanded(value: ClipLike) -> tuple[list[AnyClip], bool]:
    if not isinstance(value, str | os.PathLike):
        return [as_clip(value)], True
    path = user_path(value, DataError)
    if is_features(path):
        return [*read_features(path)], False
    if path.is_dir():
        holds_clips = not is_clip(path)
    else:
        holds_clips = glob.has_magic(str(path)) and not path.exists()
    if holds_clips:
        return [Clip(clip) for clip in expand_paths([path])], False
    return [Clip(path)], True


def _read(file: Any) -> VideoBytes:
    """Return the rest of an open file as a clip.

    Raises:
        DataError: The file is closed, open as text or for writing, or asynchronous.
    """
    name = getattr(file, "name", "")
    name = Path(name).name if isinstance(name, str) else ""
    try:
        content = file.read()
        at_end = not content and hasattr(file, "tell") and file.tell() > 0
    except UnicodeDecodeError:
        content, at_end = "", False
    except (OSError, ValueError) as error:
        raise DataError(
            "the file cannot be read",
            where=name,
            got=str(error),
            expected="a file that is open for reading bytes",
            hint='Open it with open(path, "rb"), and pass it before it is closed.',
        ) from None
    if isinstance(content, bytes | bytearray | memoryview):
        if at_end:
            raise DataError(
                "the file was read to its end before",
                where=name,
                hint="Go back to its start: file.seek(0).",
            )
        return VideoBytes(bytes(content), name)
    if hasattr(content, "close"):
        content.close()  # a coroutine: else it warns that it was never awaited
    raise DataError(
        "the file does not give bytes",
        where=name,
        got=type(content).__name__,
        expected="a file that is open for reading bytes",
        hint='Open it with open(path, "rb"); of an upload pass upload.file.',
    )


def _no_clip(value: Any) -> DataError:
    hints = [
        "This is one image, or frames without colours." if is_image(value) else "",
        OF_FEATURES if getattr(value, "ndim", 0) in (1, 2) else "",
    ]
    hint = " ".join(filter(None, hints))
    return DataError("not a clip", got=_shown(value), expected=EXPECTED, hint=hint)


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" {tuple(shape)}" if shape is not None else "")
