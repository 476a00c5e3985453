"""Labelled videos: your own clips or features, and published benchmarks.

What belongs to published benchmarks is imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fewact.data.class_folders import clips_of_no_class, list_background, list_clips, list_folder
from fewact.data.clips import (
    BACKGROUND,
    AnyClip,
    Clip,
    FeatureClip,
    Frames,
    VideoBytes,
    VideoClip,
    is_background,
    is_none,
    limit_per_class,
)
from fewact.data.files import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    expand_paths,
    is_clip,
    natural_key,
)
from fewact.data.tables import (
    FeatureDataset,
    event_clips,
    is_features,
    is_table,
    labelled_features,
    list_table,
    read_features,
    read_table,
)
from fewact.data.videos import GroupScope, Split, Video, VideoList

if TYPE_CHECKING:
    from fewact.data.benchmark_videos import (
        Availability,
        ClassCount,
        check_benchmark,
        load_benchmark,
    )
    from fewact.data.benchmarks import ActionClass, Benchmark, benchmark, benchmark_names, variants
    from fewact.data.leak import Leak, find_leak, refuse_leaks

__all__ = [
    "BACKGROUND",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "ActionClass",
    "AnyClip",
    "Availability",
    "Benchmark",
    "ClassCount",
    "Clip",
    "FeatureClip",
    "FeatureDataset",
    "Frames",
    "GroupScope",
    "Leak",
    "Split",
    "Video",
    "VideoBytes",
    "VideoClip",
    "VideoList",
    "benchmark",
    "benchmark_names",
    "check_benchmark",
    "clips_of_no_class",
    "event_clips",
    "expand_paths",
    "find_leak",
    "is_background",
    "is_clip",
    "is_features",
    "is_none",
    "is_table",
    "labelled_features",
    "limit_per_class",
    "list_background",
    "list_clips",
    "list_folder",
    "list_table",
    "load_benchmark",
    "natural_key",
    "read_features",
    "read_table",
    "refuse_leaks",
    "variants",
]

_HOMES = {
    "benchmark_videos": "Availability ClassCount check_benchmark load_benchmark",
    "benchmarks": "ActionClass Benchmark benchmark benchmark_names variants",
    "leak": "Leak find_leak refuse_leaks",
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"fewact.data.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
