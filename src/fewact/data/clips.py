"""Clips: labelled segments of video files, or features of a clip that were computed elsewhere."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from fewact.core.errors import DataError, OptionError, ShapeError, VideoError
from fewact.core.paths import clip_path
from fewact.core.shapes import check_shape
from fewact.data.arrays import check_vectors_are_numpy
from fewact.data.clip_texts import check_texts
from fewact.data.files import is_image_file, natural_key
from fewact.data.in_memory import Frames, VideoBytes
from fewact.data.paths import check_one_clip

if TYPE_CHECKING:
    from fewact.video import Reading, Sampler
    from fewact.video.source import Transform

BACKGROUND = "none"
"""Label, in any case, of clips that belong to no class."""

LARGEST_FEATURE = 1e15
"""Largest magnitude of precomputed features: squared differences of two, summed over ten million
numbers, are finite in float32."""

UNUSABLE_FEATURES = "features that are not finite numbers, or too large"
USABLE_FEATURES = f"finite numbers of magnitude up to {LARGEST_FEATURE:g}"


@dataclass(frozen=True)
class Clip:
    """Segment of a video file.

    Args:
        path: Video file, or folder of numbered images.
        label: Class of the clip; None if it is not known.
        start: Start of the segment, in seconds; None for the start of the file.
        end: End of the segment, in seconds; None for the end of the file.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.

    Raises:
        DataError: The path is no path, or the label or the group is no text.
    """

    path: Path
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        check_texts(label=self.label, group=self.group)
        object.__setattr__(self, "path", clip_path(self.path))

    def read(
        self, samplers: Sequence["Sampler"], *, transform: "Transform | None" = None
    ) -> "Reading":
        """Read the frames that several samplers choose, see ``VideoSource.read``."""
        from fewact.video import read_frame_sets

        check_one_clip(self.path)
        return read_frame_sets(
            self.path, samplers, start=self.start, end=self.end, transform=transform
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file's bytes, or of all images of a folder, and of the times.

        Pipes and devices have no end, and are not opened.

        Raises:
            VideoError: The file cannot be read, or is not a regular file.
        """
        sha = hashlib.sha256(repr((self.start, self.end)).encode())
        try:
            for file in self._files():
                with file.open("rb") as stream:
                    sha.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise VideoError(self.path, f"cannot be read: {error.strerror}") from error
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
class FeatureClip:
    """Features of a clip that were computed elsewhere; there is no video.

    Args:
        name: Name of the clip in the column ``clip``; without a table, the number of its row. It
            identifies the clip, and must not be empty.
        vectors: Feature vectors (t d), a floating-point array; ignored when clips are compared.
        label: Class of the clip; None if it is not known.
        group: Group of the clip (a person, a recording); groups are kept apart when testing.

    Raises:
        DataError: The vectors are not an array, the name is empty, or the name, label or group is
            no text.
        ShapeError: They have another shape, or are not floating-point.
    """

    name: str
    vectors: NDArray[np.floating[Any]] = field(compare=False, repr=False)
    label: str | None = None
    group: str | None = None

    start: ClassVar[None] = None
    end: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_texts(name=self.name, label=self.label, group=self.group)
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


def limit_per_class(clips: Sequence[C], k: int, seed: int = 0) -> list[C]:
    """Return at most k clips of each class, in the order of the list.

    The choice depends on the seed and on the label, file name and times of each clip. So a clip
    added to the list displaces at most one other clip, and moving the folder changes nothing.

    Args:
        clips: Labelled clips.
        k: Number of clips of each class, at least 1.
        seed: Seed of the random choice.

    Raises:
        OptionError: k is less than 1.
    """
    if k < 1:
        raise OptionError("at least one clip of each class is needed", where="limit", got=str(k))
    ranked: dict[str | None, list[tuple[bytes, int]]] = {}
    for position, clip in enumerate(clips):
        facts = repr((seed, clip.label, clip.path.name, clip.start, clip.end))
        rank = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
        ranked.setdefault(clip.label, []).append((rank, position))
    kept = {position for ranks in ranked.values() for _, position in sorted(ranks)[:k]}
    return [clip for position, clip in enumerate(clips) if position in kept]
