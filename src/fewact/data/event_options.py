"""What the caller of a file of events chooses: rater, tier, video, frame rate, and windows."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EventOptions:
    """Choices where a file of events has several answers, or none.

    Args:
        only: Class to teach against the rest; None for all classes.
        rater: Person whose annotations are read; None if each recording has one rater.
        tier: Tier of ELAN, Praat or Datavyu that is read; None for all.
        video: Recording of a file that names none, or whose recording was moved; None for the video
            beside the file with the same stem.
        fps: Frames per second with which the file numbers frames; None if the file says it.
        window: Seconds around a point event that are taught, half before and half after it; None
            to skip point events.
    """

    only: str | None = None
    rater: str | None = None
    tier: str | None = None
    video: Path | None = None
    fps: float | None = None
    window: float | None = None
