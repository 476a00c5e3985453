"""Results of a prediction: a class with its probability, or the reason why a clip was skipped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fewact.data import AnyClip, Clip
from fewact.errors import VideoError

NONE: Final = "(none)"
"""Label of a clip that shows none of the taught classes; no class can have this name."""


@dataclass(frozen=True)
class Prediction:
    """The class of a clip.

    Args:
        clip: Clip that was predicted.
        label: Most probable class; ``(none)`` if the clip seems to show none of the classes.
        probability: Probability of ``best`` among the classes, 0 … 1.
        probabilities: Probability of each class if the clip shows one of them, in the order of
            ``classes_``; their sum is 1.
        nearest: Title of the most similar training clip of any class, see ``clips_``.
        best: Most probable class, also if the label is ``(none)``.
        known: Probability that the clip shows one of the classes, if half of all clips do.
    """

    clip: AnyClip
    label: str
    probability: float
    probabilities: dict[str, float]
    nearest: str
    best: str
    known: float

    @property
    def path(self) -> Path:
        """File of the clip; for features, their name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """Path of the clip; for features, their name."""
        return display_name(self.clip)


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be read.

    Args:
        clip: Clip that was skipped.
        error: Error that reading it raised.
    """

    clip: AnyClip
    error: VideoError

    @property
    def path(self) -> Path:
        """File of the clip; for features, their name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """Path of the clip; for features, their name."""
        return display_name(self.clip)

    @property
    def reason(self) -> str:
        """Reason why the clip could not be read, in a few words."""
        return self.error.reason


def display_name(clip: AnyClip) -> str:
    """Return the path of a clip, or the name of features."""
    return str(clip.path) if isinstance(clip, Clip) else clip.name
