"""Clips and where they are listed: folders of classes, tables, command line arguments."""

from fewact.data.clips import BACKGROUND, Clip, is_background, limit_per_class
from fewact.data.files import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_clip, natural_key
from fewact.data.folder import list_background, list_clips
from fewact.data.paths import expand_paths
from fewact.data.table import read_table
from fewact.data.videos import Groups, Split, Video, VideoList

__all__ = [
    "BACKGROUND",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "Groups",
    "Split",
    "Video",
    "VideoList",
    "expand_paths",
    "is_background",
    "is_clip",
    "limit_per_class",
    "list_background",
    "list_clips",
    "natural_key",
    "read_table",
]
