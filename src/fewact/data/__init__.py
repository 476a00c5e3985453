"""Labelled videos of the user: clips, tables, class folders, features and joints.

Its parts are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.data.class_folders import clips_of_no_class, list_background, list_clips
    from fewact.data.clips import (
        BACKGROUND,
        AnyClip,
        Clip,
        ClipReference,
        FeatureClip,
        Frames,
        VideoBytes,
        VideoClip,
        is_background,
        is_none,
        limit_per_class,
    )
    from fewact.data.feature_files import labelled_features, read_features
    from fewact.data.files import (
        IMAGE_SUFFIXES,
        VIDEO_SUFFIXES,
        expand_paths,
        is_clip,
        is_features,
        natural_key,
    )
    from fewact.data.joints import JointTrack
    from fewact.data.tables import event_clips, is_event_file, is_table, read_table
    from fewact.data.videos import GroupScope, Split, Video, VideoList

_NAMES_OF = {
    "class_folders": "clips_of_no_class list_background list_clips",
    "clips": "BACKGROUND AnyClip Clip ClipReference FeatureClip Frames VideoBytes VideoClip "
    "is_background is_none limit_per_class",
    "feature_files": "labelled_features read_features",
    "files": "IMAGE_SUFFIXES VIDEO_SUFFIXES expand_paths is_clip is_features natural_key",
    "joints": "JointTrack",
    "tables": "event_clips is_event_file is_table read_table",
    "videos": "GroupScope Split Video VideoList",
}
_MODULES = {name: module for module, names in _NAMES_OF.items() for name in names.split()}

__all__ = [
    "BACKGROUND",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "AnyClip",
    "Clip",
    "ClipReference",
    "FeatureClip",
    "Frames",
    "GroupScope",
    "JointTrack",
    "Split",
    "Video",
    "VideoBytes",
    "VideoClip",
    "VideoList",
    "clips_of_no_class",
    "event_clips",
    "expand_paths",
    "is_background",
    "is_clip",
    "is_event_file",
    "is_features",
    "is_none",
    "is_table",
    "labelled_features",
    "limit_per_class",
    "list_background",
    "list_clips",
    "natural_key",
    "read_features",
    "read_table",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.data.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fewact.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
