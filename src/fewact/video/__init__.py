"""Frames of video files and of folders of numbered images.

``read_frames`` decodes the frames that a sampler chooses, ``probe`` returns the properties of a
video, and ``write_video`` writes one.
"""

from fewact.video.damage import VideoWarning, collect_warnings, warn_of_video
from fewact.video.reading import VideoInfo, probe, read_frame_sets, read_frames
from fewact.video.samplers import (
    BlockCentres,
    Dense,
    EveryNth,
    PerrettTest,
    PerrettTrain,
    Segments,
    Window,
    block_centres,
    perrett_test,
    perrett_train,
    window,
)
from fewact.video.source import Reading
from fewact.video.timeline import Sampler, Timeline
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
    "block_centres",
    "collect_warnings",
    "perrett_test",
    "perrett_train",
    "probe",
    "read_frame_sets",
    "read_frames",
    "warn_of_video",
    "window",
    "write_video",
]
