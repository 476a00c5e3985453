"""Clips in memory: decoded frames, and the bytes of a video file."""

import hashlib
import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, VideoError
from fewact.data.arrays import as_array, is_tensor
from fewact.data.clip_texts import check_texts

if TYPE_CHECKING:
    from fewact.video import Reading, Sampler
    from fewact.video.source import Transform

DEFAULT_FPS = 25.0
"""Frames per second of frames that are passed without a rate."""

EXPECTED = (
    "RGB frames, uint8: an array or tensor (t, h, w, 3) or (t, 3, h, w), or a list of images of "
    "equal size"
)
OF_FEATURES = "Features (t, d) of a clip are passed as FeatureClip(name, vectors)."
"""Hint for an array of two axes."""
IMAGE = "an RGB image, uint8: an array or tensor (h, w, 3) or (3, h, w), or a PIL image"
HASHED = 16
"""Number of hexadecimal digits of a hash in the name of a clip."""


class _InMemory(ABC):
    """Identity and name of a clip in memory."""

    kind: ClassVar[str]
    """What the clip is, for the name of one without a name."""

    name: str
    label: str | None
    group: str | None

    @abstractmethod
    def fingerprint(self) -> str:
        """Return the SHA-256 of the content."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        return self.fingerprint(), self.name, self.label, self.group

    @property
    def path(self) -> Path:
        """Name of the clip as a path; there need not be such a file."""
        return Path(self.title)

    @property
    def title(self) -> str:
        """Name of the clip, or one made from the hash of its content."""
        return self.name or f"{self.kind}-{self.fingerprint()[:HASHED]}"


@dataclass(frozen=True, eq=False)
class Frames(_InMemory):
    """Clip of frames in memory. Two are equal if their frames, rate and label are.

    Args:
        array: RGB frames (t h w 3), uint8: an array or a tensor, also (t 3 h w); or a list of
            images (h w 3): arrays, tensors or PIL images. As an attribute a NumPy array (t h w 3).
        fps: Frames per second.
        name: Name of the clip; empty for one made from the hash of its content.
        label: Class of the clip; None if it is not known.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.

    Raises:
        DataError: These are no such frames, the rate is not positive, or the name, label or group
            is no text.

    >>> Frames(np.zeros((8, 48, 64, 3), np.uint8), fps=25).array.shape
    (8, 48, 64, 3)
    """

    kind: ClassVar[str] = "frames"

    array: Any = field(repr=False)
    fps: float = DEFAULT_FPS
    name: str = ""
    label: str | None = None
    group: str | None = None

    start: ClassVar[None] = None
    end: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_texts(name=self.name, label=self.label, group=self.group)
        where = self.name or "Frames"
        if not (isinstance(self.fps, Real) and math.isfinite(self.fps) and self.fps > 0):
            raise DataError(
                "invalid frame rate", where=where, got=repr(self.fps), expected="a rate above 0"
            )
        object.__setattr__(self, "fps", float(self.fps))  # PyAV's rates are fractions
        object.__setattr__(self, "array", _frames(self.array, where))

    def read(
        self, samplers: Sequence["Sampler"], *, transform: "Transform | None" = None
    ) -> "Reading":
        """Return the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.video import Reading, Timeline

        count, size = len(self.array), self.array.shape[1:3]
        timeline = Timeline(np.arange(count) / self.fps, end=count / self.fps)
        chosen = [sampler(timeline) for sampler in samplers]
        if not chosen:
            return Reading([], [], timeline, size)
        needed = np.unique(np.concatenate(chosen))  # (u)
        frames = (np.ascontiguousarray(self.array[i]) for i in needed)
        kept = np.stack([frame if transform is None else transform(frame) for frame in frames])
        sets = [kept[np.searchsorted(needed, indices)] for indices in chosen]
        return Reading(sets, chosen, timeline, size)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the frames, their shape and their rate."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        sha = hashlib.sha256(repr((self.array.shape, float(self.fps))).encode())
        for frame in self.array:
            sha.update(np.ascontiguousarray(frame).data)
        return sha.hexdigest()


@dataclass(frozen=True, eq=False)
class VideoBytes(_InMemory):
    """Clip in the bytes of a video file. Two are equal if their bytes, times and label are.

    Each read writes the bytes to a private temporary file that is removed afterwards: a decoder
    jumps in a file.

    Args:
        content: Content of the video file.
        name: Name of the clip; empty for one made from the hash of its content.
        label: Class of the clip; None if it is not known.
        start: Start of the segment, in seconds; None for the start of the video.
        end: End of the segment, in seconds; None for the end of the video.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.

    Raises:
        DataError: The content is not bytes, or the name, label or group is no text.
    """

    kind: ClassVar[str] = "video"

    content: bytes = field(repr=False)
    name: str = ""
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        check_texts(name=self.name, label=self.label, group=self.group)
        if not isinstance(self.content, bytes | bytearray | memoryview):
            raise DataError(
                "not the content of a video file",
                where=self.name or "VideoBytes",
                got=type(self.content).__name__,
                expected="bytes",
            )

    def read(
        self, samplers: Sequence["Sampler"], *, transform: "Transform | None" = None
    ) -> "Reading":
        """Return the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.video import collect_warnings, read_frame_sets, warn_of_video

        with self._file() as path:
            try:
                with collect_warnings() as texts:
                    sets = read_frame_sets(
                        path, samplers, start=self.start, end=self.end, transform=transform
                    )
            except VideoError as error:
                raise VideoError(
                    self.title, error.reason, expected=error.expected, hint=error.hint
                ) from None
        for text in texts:
            warn_of_video(text.replace(str(path), self.title))
        return sets

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """Yield a temporary file with the bytes.

        Raises:
            VideoError: The temporary folder is missing, or cannot be written.
        """
        with ExitStack() as until_end:
            try:
                folder = tempfile.TemporaryDirectory(prefix="fewact-")
                path = Path(until_end.enter_context(folder)) / "video"
                path.write_bytes(self.content)
            except OSError as error:
                raise VideoError(
                    self.title,
                    f"cannot be written to the temporary folder: {error.strerror or error}",
                    hint="Free space there, or name another folder in TMPDIR.",
                ) from error
            yield path

    def fingerprint(self) -> str:
        """Return the SHA-256 of the bytes and the times."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        sha = hashlib.sha256(repr((self.start, self.end)).encode())
        sha.update(self.content)
        return sha.hexdigest()


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


def _frames(value: Any, where: str) -> NDArray[np.uint8]:
    """Return frames (t h w 3) of an array, a tensor or a sequence of images."""
    if not (is_tensor(value) or hasattr(value, "shape")):
        return _stack(value, where)
    array = as_array(value, where, EXPECTED)
    if array.ndim == 4 and array.shape[-1] != 3 and array.shape[1] == 3:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        hint = _to_rgb(array.shape) if array.ndim == 4 else ""
        got = str(array.shape)
        raise DataError("not frames", where=where, got=got, expected=EXPECTED, hint=hint)
    return _checked(array, where)


def _stack(images: Iterable[Any], where: str) -> NDArray[np.uint8]:
    if not isinstance(images, Iterable):
        raise DataError("not frames", where=where, got=type(images).__name__, expected=EXPECTED)
    found: list[NDArray[np.uint8]] = []
    for image in images:
        one = as_image(image, f"{where}, frame {len(found)}", of_vectors=OF_FEATURES)
        if found and one.shape != found[0].shape:
            raise DataError(
                "frames of one clip differ in size",
                where=f"{where}, frame {len(found)}",
                got=str(one.shape),
                expected=f"{found[0].shape}, as the first",
            )
        found.append(one)
    if not found:
        raise DataError("no frames", where=where, expected=EXPECTED)
    return np.stack(found)


def as_image(image: Any, where: str, *, of_vectors: str = "") -> NDArray[np.uint8]:
    """Return an image (h w 3) of an array or a tensor, also (3 h w), or of a PIL image.

    Args:
        image: Image.
        where: Name of the image, for the error.
        of_vectors: Hint if two axes may be feature vectors, not a grey image.

    Raises:
        DataError: It is no RGB image of uint8, or cannot be read.
    """
    image = _as_rgb(image, where) if hasattr(image, "convert") else image
    one = as_array(image, where, IMAGE)
    if one.ndim == 3 and one.shape[-1] != 3 and one.shape[0] == 3:
        one = one.transpose(1, 2, 0)
    if one.ndim != 3 or one.shape[-1] != 3 or not one.size:
        hints = [_to_rgb(one.shape), of_vectors if one.ndim == 2 else ""]
        raise DataError(
            "not an image",
            where=where,
            got=str(one.shape) if one.ndim else type(image).__name__,
            expected=IMAGE,
            hint=" ".join(filter(None, hints)),
        )
    return _checked(one, where)


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
    """Return a PIL image in RGB.

    Raises:
        DataError: PIL would cut off its values at 255, or cannot read or convert it.
    """
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
