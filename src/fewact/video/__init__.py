"""Frames of video files and of folders of numbered images.

``read_frames`` decodes the frames that a sampler chooses, ``probe`` returns the properties of a
video, and ``write_video`` writes one.
"""

from typing import TYPE_CHECKING, Any

from fewact.video.opening import VideoWarning, collect_warnings, warn_of_video
from fewact.video.reading import VideoInfo, probe, read_frame_sets, read_frames
from fewact.video.samplers import (
    BlockCentres,
    Dense,
    EveryNth,
    PerrettTest,
    PerrettTrain,
    Sampler,
    Segments,
    Timeline,
    Window,
)
from fewact.video.source import Reading

if TYPE_CHECKING:
    from fewact.video.writing import write_video

__all__ = [
    "BlockCentres",
    "Dense",
    "EveryNth",
    "PerrettTest",
    "PerrettTrain",
    "Reading",
    "Sampler",
    "Segments",
    "Timeline",
    "VideoInfo",
    "VideoWarning",
    "Window",
    "collect_warnings",
    "probe",
    "read_frame_sets",
    "read_frames",
    "warn_of_video",
    "write_video",
]


def __getattr__(name: str) -> Any:
    if name == "write_video":  # most commands only read
        from fewact.video.writing import write_video

        return write_video
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
