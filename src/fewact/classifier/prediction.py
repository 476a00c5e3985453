"""What a prediction says."""

from dataclasses import dataclass
from pathlib import Path

from fewact.data import AnyClip, Clip
from fewact.errors import VideoError


@dataclass(frozen=True)
class Prediction:
    """The class of a clip.

    Args:
        clip: What was looked at.
        label: The most probable class.
        probability: Its probability, 0 … 1.
        probabilities: Of every class, in the order of ``classes_``; their sum is 1.
        nearest: The taught clip that is most alike, whatever its class; see ``clips_``.
    """

    clip: AnyClip
    label: str
    probability: float
    probabilities: dict[str, float]
    nearest: str

    @property
    def path(self) -> Path:
        """The clip's file; of features, the clip's name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """What the clip is called: its path, or its name among features."""
        return display_name(self.clip)


@dataclass(frozen=True)
class Skipped:
    """A clip that could not be read.

    Args:
        clip: What should have been looked at.
        error: Why it could not be read.
    """

    clip: AnyClip
    error: VideoError

    @property
    def path(self) -> Path:
        """The clip's file; of features, the clip's name as a path."""
        return self.clip.path

    @property
    def name(self) -> str:
        """What the clip is called: its path, or its name among features."""
        return display_name(self.clip)

    @property
    def reason(self) -> str:
        """Why it could not be read, in a few words."""
        return self.error.reason


def display_name(clip: AnyClip) -> str:
    """A clip's path, or its name among features."""
    return str(clip.path) if isinstance(clip, Clip) else clip.name
