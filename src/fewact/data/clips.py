"""Clips: segments of video files, clips in memory, features; and the arrays they are made of.

A clip says the same wherever it is: its source, the span in it, the box around who is meant, its
label and its group. ``ClipReference`` is what all four types of clips have in common.
"""

import hashlib
import math
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import check_shape
from fewact.core.errors import DataError, OptionError, ShapeError, VideoError
from fewact.core.paths import clip_path
from fewact.data.files import check_one_clip, is_image_file, natural_key, timeline_or_none
from fewact.data.images import as_frames, check_vectors_are_numpy
from fewact.data.joints import JointTrack

if TYPE_CHECKING:
    from fewact.video import Reading, Sampler
    from fewact.video.source import Transform
    from fewact.video.track import Box


def check_texts(**texts: object) -> None:
    """Refuse a name, label or group, each by its argument, that is no text; None is allowed."""
    for argument, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise DataError(
                f"the {argument} of a clip is not a text",
                got=repr(text),
                expected="a text",
                hint="The labels of fit may be integers: fit(clips, labels)."
                if argument == "label"
                else "",
            )


DEFAULT_FPS = 25.0
"""Frames per second of frames that are passed without a rate."""

HASH_DIGITS = 16
"""Number of hexadecimal digits of a hash in the name of a clip."""


class ClipReference(ABC):
    """Facts of all clips, apart from their content.

    Attributes:
        label: Class of the clip; None if it is not known.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.
    """

    label: str | None
    group: str | None

    @property
    def start(self) -> float | None:
        """Start of the span, in seconds; None for the start of the source."""
        return None

    @property
    def end(self) -> float | None:
        """End of the span, in seconds; None for the end of the source."""
        return None

    @property
    def box(self) -> "Box | None":
        """Box around who is meant, in pixels as displayed; None if all of the picture is."""
        return None

    @property
    @abstractmethod
    def display_name(self) -> str:
        """Name of the clip for people: the path of a file."""

    def joint_track(self) -> JointTrack | None:
        """Return the joints beside the clip's frames, with times from its start; None without."""
        return None

    @property
    def title(self) -> str:
        """Name of the clip for people, with its span and its box."""
        return self.display_name + part_text(self.start, self.end, self.box)

    @property
    def key(self) -> tuple[object, ...]:
        """Identity of a clip: equal for two clips of the same part of the same source."""
        return self._source_key, self.start, self.end, self.box

    @property
    def _source_key(self) -> str:
        return self.display_name


def part_text(
    start: float | None = None, end: float | None = None, box: Sequence[float] | None = None
) -> str:
    """Return the span and the box of a clip as they follow its name; empty for all of a source.

    >>> part_text(12.5), part_text(box=(310, 80, 90, 200))
    (' [12.5 s …]', ' [310,80 90x200]')
    """
    parts = []
    if start is not None or end is not None:
        until = "…" if end is None else f"… {end:g} s"
        parts.append(f"{start or 0:g} s {until}")
    if box is not None:
        x, y, width, height = box
        parts.append(f"{x:g},{y:g} {width:g}x{height:g}")
    return f" [{', '.join(parts)}]" if parts else ""


def check_joints(joints: object, where: str) -> None:
    """Refuse joints beside a clip that are neither a track nor a path."""
    if joints is not None and not isinstance(joints, JointTrack | Path):
        raise DataError(
            "not the joints of a clip",
            where=where,
            got=type(joints).__name__,
            expected="a fewact.data.JointTrack, or the path of a file of poses",
        )


class _InMemory(ClipReference):
    """Identity and name of a clip in memory."""

    kind: ClassVar[str]
    """What the clip is, for the name of one without a name."""

    name: str
    joints: JointTrack | Path | None

    def __post_init__(self) -> None:
        check_texts(name=self.name, label=self.label, group=self.group)
        if isinstance(self.joints, str):
            object.__setattr__(self, "joints", clip_path(self.joints))
        check_joints(self.joints, self.name or type(self).__name__)

    def joint_track(self) -> JointTrack | None:
        """Return the joints beside the clip's frames, with times from its start; None without."""
        return _read_joints(self.joints)

    @abstractmethod
    def _content(self) -> tuple[tuple[object, ...], Iterable[Any]]:
        """Return facts and buffers that decide what is read."""

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content, and of its shape and rate or its times."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        facts, buffers = self._content()
        sha = hashlib.sha256(repr(facts).encode())
        for buffer in buffers:
            sha.update(buffer)
        sha.update(b"" if (track := self.joint_track()) is None else track.digest.encode())
        return sha.hexdigest()

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
        return Path(self.display_name)

    @property
    def display_name(self) -> str:
        """Name of the clip, or one made from the hash of its content."""
        return self.name or f"{self.kind}-{self.fingerprint()[:HASH_DIGITS]}"

    @property
    def _source_key(self) -> str:
        return self.fingerprint()


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
        joints: Joints of the body in the frames, or a file of poses with them; None without.

    Raises:
        DataError: These are no such frames, the rate is not positive, the name, label or group is
            no text, or the joints are none.

    >>> Frames(np.zeros((8, 48, 64, 3), np.uint8), fps=25).array.shape
    (8, 48, 64, 3)
    """

    kind: ClassVar[str] = "frames"

    array: Any = field(repr=False)
    fps: float = DEFAULT_FPS
    name: str = ""
    label: str | None = None
    group: str | None = None
    joints: JointTrack | Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.name or "Frames"
        if not (isinstance(self.fps, Real) and math.isfinite(self.fps) and self.fps > 0):
            raise DataError(
                "invalid frame rate", where=where, got=repr(self.fps), expected="a rate above 0"
            )
        object.__setattr__(self, "fps", float(self.fps))  # PyAV's rates are fractions
        object.__setattr__(self, "array", as_frames(self.array, where))

    def read(
        self, samplers: Sequence["Sampler"], *, transform: "Transform | None" = None
    ) -> "Reading":
        """Return the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.video import Reading, Timeline

        count, size = len(self.array), self.array.shape[1:3]
        timeline = Timeline(np.arange(count) / self.fps, end=count / self.fps)
        chosen_indices = [sampler(timeline) for sampler in samplers]
        if not chosen_indices:
            return Reading([], [], timeline, size)
        needed = np.unique(np.concatenate(chosen_indices))  # (u)
        frames = (np.ascontiguousarray(self.array[i]) for i in needed)
        decoded = np.stack([frame if transform is None else transform(frame) for frame in frames])
        sets = [decoded[np.searchsorted(needed, indices)] for indices in chosen_indices]
        return Reading(sets, chosen_indices, timeline, size)

    def _content(self) -> tuple[tuple[object, ...], Iterable[Any]]:
        facts = (self.array.shape, self.fps)
        return facts, (np.ascontiguousarray(frame).data for frame in self.array)


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
        joints: Joints of the body in the video, or a file of poses with them; None without. Their
            times count from the start of the video.

    Raises:
        DataError: The content is not bytes, the name, label or group is no text, or the joints are
            none.
    """

    kind: ClassVar[str] = "video"

    content: bytes = field(repr=False)
    name: str = ""
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None
    joints: JointTrack | Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
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
                    self.display_name, error.reason, expected=error.expected, hint=error.hint
                ) from None
        for text in texts:
            warn_of_video(text.replace(str(path), self.display_name))
        return sets

    def joint_track(self) -> JointTrack | None:
        """Return the joints beside the clip's frames, with times from its start; None without."""
        from fewact.video.reading import timeline_of

        track = super().joint_track()
        if track is None or self.start is None:
            return track
        with self._file() as path:
            return track.since(self.start, timeline_of(path).end)

    @contextmanager
    def _file(self) -> Iterator[Path]:
        with ExitStack() as until_end:
            try:
                folder = tempfile.TemporaryDirectory(prefix="fewact-")
                path = Path(until_end.enter_context(folder)) / "video"
                path.write_bytes(self.content)
            except OSError as error:
                raise VideoError(
                    self.display_name,
                    f"cannot be written to the temporary folder: {error.strerror or error}",
                    hint="Free space there, or name another folder in TMPDIR.",
                ) from error
            yield path

    def _content(self) -> tuple[tuple[object, ...], Iterable[Any]]:
        return (self.start, self.end), [self.content]


BACKGROUND = "none"
"""Label, in any case, of clips that belong to no class."""

LARGEST_FEATURE = 1e15
"""Largest magnitude of precomputed features: squared differences of two, summed over ten million
numbers, are finite in float32."""

UNUSABLE_FEATURES = "features that are not finite numbers, or too large"
USABLE_FEATURES = f"finite numbers of magnitude up to {LARGEST_FEATURE:g}"


BOX_EXPECTED = "left, top, width and height in pixels; the last two above 0"


def as_box(
    values: Sequence[float] | None, where: str, *, shown: str = "", expected: str = BOX_EXPECTED
) -> "Box | None":
    """Return left, top, width and height as a box; None stays None. The rest is for an error."""
    from fewact.video.track import Box

    if values is None:
        return None
    numbers = [*values] if isinstance(values, Sequence) else []
    valid = len(numbers) == 4 and all(isinstance(n, Real) and math.isfinite(n) for n in numbers)
    if not valid or numbers[2] <= 0 or numbers[3] <= 0:
        raise DataError(
            "not a box",
            where=where,
            got=(shown or repr(values))[:80],
            expected=expected,
        )
    return Box(*map(float, numbers))


def _read_joints(joints: JointTrack | Path | None, clip: Path | None = None) -> JointTrack | None:
    """Return joints, or those in a file of poses; in one of several clips, those of a clip."""
    if not isinstance(joints, Path):
        return joints
    from fewact.data.poses.file import read_track

    return read_track(joints, clip)


@lru_cache(4096)
def _digest(file: Path, size: int, changed: int) -> bytes:
    """Return the SHA-256 of a file; a recording of many segments is read once."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


@dataclass(frozen=True)
class Clip(ClipReference):
    """Segment of a video file.

    Args:
        path: Video file, or folder of numbered images.
        label: Class of the clip; None if it is not known.
        start: Start of the segment, in seconds; None for the start of the file.
        end: End of the segment, in seconds; None for the end of the file.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.
        box: Box around who is meant, where several people are in view: left, top, width and height
            in pixels as displayed; None if all of the picture is. The part around the
            box is read.
        joints: Joints of the body in the video, or a file of poses with them; None without. Their
            times count from the start of the file, also where only a segment of it is read.
            Ignored when clips are compared.

    Raises:
        DataError: The path is no path, the label or the group is no text, or the box or the joints
            are none.
    """

    path: Path
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None
    box: "Box | None" = None
    joints: JointTrack | Path | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_texts(label=self.label, group=self.group)
        object.__setattr__(self, "path", clip_path(self.path))
        object.__setattr__(self, "box", as_box(self.box, str(self.path)))
        if isinstance(self.joints, str):
            object.__setattr__(self, "joints", clip_path(self.joints))
        check_joints(self.joints, str(self.path))

    @property
    def display_name(self) -> str:
        """Path of the clip."""
        return str(self.path)

    @property
    def _source_key(self) -> str:
        return os.path.realpath(self.path)

    def read(
        self, samplers: Sequence["Sampler"], *, transform: "Transform | None" = None
    ) -> "Reading":
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.video import read_frame_sets

        if self.box is not None:
            from fewact.video.source import Show
            from fewact.video.track import Around

            clip = replace(self, box=None)
            return Show(Around(self.box)).read(clip, samplers, transform)
        check_one_clip(self.path)
        return read_frame_sets(
            self.path, samplers, start=self.start, end=self.end, transform=transform
        )

    def joint_track(self) -> JointTrack | None:
        """Return the joints beside the clip's frames, with times from its start; None without."""
        track = _read_joints(self.joints, self.path)
        if track is None:
            return None
        if self.box is not None and track.of_picture:  # only the part around the box is read
            from fewact.video.reading import probe

            info = probe(self.path)
            track = track.in_heights(info.width / info.height)
        if self.start is None and self.end is None:
            return track
        timeline = timeline_or_none(self.path) if track.times is None else None
        if track.times is None and timeline is None:  # its reader says why
            return None
        return track.since(self.start or 0.0, timeline.end if timeline else 0.0)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file's bytes, or of all images of a folder, and of the times.

        Joints beside the clip count too.

        Raises:
            VideoError: The file cannot be read, or is not a regular file: pipes have no end.
        """
        box = () if self.box is None else tuple(self.box)
        sha = hashlib.sha256(repr((self.start, self.end, *box)).encode())
        try:
            for file in self._files():
                status = file.stat()
                sha.update(_digest(file, status.st_size, status.st_mtime_ns))
        except OSError as error:
            raise VideoError(self.path, f"cannot be read: {error.strerror}") from error
        sha.update(b"" if (track := self.joint_track()) is None else track.digest.encode())
        return sha.hexdigest()

    def _files(self) -> Iterator[Path]:
        from fewact.video.opening import check_readable

        if not self.path.is_dir():
            check_readable(self.path)
            yield self.path
            return
        inside = self.path.iterdir()
        images = (p for p in inside if is_image_file(p) and p.is_file())
        yield from sorted(images, key=lambda image: natural_key(image.name))


@dataclass(frozen=True)
class FeatureClip(ClipReference):
    """Features of a clip that were computed elsewhere; there is no video.

    Args:
        name: Name of the clip in the column ``clip``; without a table, the number of its row. It
            identifies the clip, and must not be empty.
        vectors: Feature vectors (t d), a floating-point array; ignored when clips are compared.
        label: Class of the clip; None if it is not known.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.
        joints: Layout of the joints in a vector, see ``fewact.data.joints``; empty without joints.

    Raises:
        DataError: The vectors are not an array, the name is empty, or the name, label or group is
            no text.
        ShapeError: They have another shape, or are not floating-point.
    """

    name: str
    vectors: NDArray[np.floating[Any]] = field(compare=False, repr=False)
    label: str | None = None
    group: str | None = None
    joints: str = ""

    def __post_init__(self) -> None:
        check_texts(name=self.name, label=self.label, group=self.group, joints=self.joints)
        if not self.name:
            raise DataError(
                "a clip of features needs a name",
                where="FeatureClip",
                got=repr(self.name),
                expected="a text that identifies the clip",
            )
        check_vectors_are_numpy(self.vectors, self.name, "an array (t d), floating-point")
        check_shape(self.vectors, "t d", self.name)
        if not np.issubdtype(self.vectors.dtype, np.floating):
            raise ShapeError("not floating-point", where=self.name, got=str(self.vectors.dtype))

    @property
    def path(self) -> Path:
        """Name of the clip as a path; the file need not exist."""
        return Path(self.name)

    @property
    def display_name(self) -> str:
        """Name of the clip."""
        return self.name


def usable_features(vectors: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return whether all numbers of vectors (… t d) are finite, and small enough to compare: (…).

    >>> usable_features(np.array([[[1.0]], [[np.nan]], [[1e30]]]))
    array([ True, False, False])
    """
    # NaN is neither below nor above the limit.
    axes = (-2, -1)
    high, low = (x.astype(np.float64) for x in (vectors.max(axes), vectors.min(axes)))
    return np.asarray((high <= LARGEST_FEATURE) & (low >= -LARGEST_FEATURE))


VideoClip = Clip | Frames | VideoBytes
"""Clip with frames: in a file, or in memory."""

AnyClip = VideoClip | FeatureClip

C = TypeVar("C", bound=AnyClip)


def is_background(label: str) -> bool:
    """Return whether a label is the one for clips that belong to no class.

    >>> is_background("None"), is_background("nonet")
    (True, False)
    """
    return label.strip().casefold() == BACKGROUND


def is_none(label: str) -> bool:
    """Return whether a label or an answer, ``none`` or ``(none)``, says that there is no class.

    >>> is_none("(None)"), is_none("(none")
    (True, False)
    """
    return label.strip().casefold() in (BACKGROUND, f"({BACKGROUND})")


def limit_per_class(clips: Sequence[C], k: int, seed: int = 0) -> list[C]:
    """Return at most k clips of each class, in the order of the list.

    The choice depends on the seed and on the label, file name and times of each clip. So a clip
    added to the list displaces at most one other clip, and moving the folder changes nothing.
    """
    if k < 1:
        raise OptionError("at least one clip of each class is needed", where="limit", got=str(k))
    ranked: dict[str | None, list[tuple[bytes, int]]] = {}
    for position, clip in enumerate(clips):
        facts = repr((seed, clip.label, clip.path.name, clip.start, clip.end))
        rank = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
        ranked.setdefault(clip.label, []).append((rank, position))
    limited = {position for ranks in ranked.values() for _, position in sorted(ranks)[:k]}
    return [clip for position, clip in enumerate(clips) if position in limited]
