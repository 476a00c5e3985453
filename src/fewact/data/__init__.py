"""Labelled videos of the user: clips, tables, class folders, features and joints."""

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
from fewact.data.feature_files import (
    FeatureDataset,
    is_features,
    labelled_features,
    read_features,
)
from fewact.data.files import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    expand_paths,
    is_clip,
    natural_key,
)
from fewact.data.tables import event_clips, is_event_file, is_table, list_table, read_table
from fewact.data.videos import GroupScope, Split, Video, VideoList

__all__ = [
    "BACKGROUND",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "AnyClip",
    "Clip",
    "FeatureClip",
    "FeatureDataset",
    "Frames",
    "GroupScope",
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
    "list_folder",
    "list_table",
    "natural_key",
    "read_features",
    "read_table",
]
