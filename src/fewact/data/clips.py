"""A clip: a labelled stretch of a video file."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fewact.data.files import PICTURE_SUFFIXES, natural_key
from fewact.data.video_source import Transform
from fewact.errors import OptionError, VideoError

if TYPE_CHECKING:
    from fewact.data.features import FeatureClip
    from fewact.video import FrameSets, Sampler

C = TypeVar("C", bound="Clip | FeatureClip")

BACKGROUND = "none"
"""Label, in any case, of clips that show no class."""


@dataclass(frozen=True)
class Clip:
    """A stretch of a video file.

    Args:
        path: The file, or a folder of numbered pictures.
        label: Its class; None where it is not known.
        start: Where the stretch begins, in seconds; None for the file's beginning.
        end: Where it ends, in seconds; None for the file's end.
        group: Clips of one group (a person, a recording) are kept apart when testing.
    """

    path: Path
    label: str | None = None
    start: float | None = None
    end: float | None = None
    group: str | None = None

    def read(
        self, samplers: Sequence["Sampler"], *, transform: Transform | None = None
    ) -> "FrameSets":
        """Read what several samplers choose of the stretch, as ``Footage`` says."""
        from fewact.video import read_frame_sets

        return read_frame_sets(
            self.path, samplers, start=self.start, end=self.end, transform=transform
        )

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes, or of all its pictures', and of the stretch.

        Raises:
            VideoError: The file cannot be read.
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
        if not self.path.is_dir():
            yield self.path
            return
        pictures = (p for p in self.path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        yield from sorted(pictures, key=lambda picture: natural_key(picture.name))


def is_background(label: str) -> bool:
    """Whether a label is the one kept for clips that show no class.

    >>> is_background("None"), is_background("nonet")
    (True, False)
    """
    return label.strip().casefold() == BACKGROUND


def limit_per_class(clips: Sequence[C], k: int, seed: int = 0) -> list[C]:
    """At most k clips of each class, in their given order.

    Which ones depends on the seed and on each clip's own label, file name and stretch: a clip that
    is added to the list displaces at most one other, and a folder that is moved gives the same.

    Args:
        clips: Labelled clips.
        k: Clips kept of a class, at least 1.
        seed: Another one chooses other clips.

    Raises:
        OptionError: k is less than 1.
    """
    if k < 1:
        raise OptionError("at least one clip of each class is kept", where="limit", got=str(k))
    ranked: dict[str | None, list[tuple[bytes, int]]] = {}
    for position, clip in enumerate(clips):
        facts = repr((seed, clip.label, clip.path.name, clip.start, clip.end))
        draw = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
        ranked.setdefault(clip.label, []).append((draw, position))
    kept = {position for draws in ranked.values() for _, position in sorted(draws)[:k]}
    return [clip for position, clip in enumerate(clips) if position in kept]
