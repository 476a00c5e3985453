"""Labelled videos: clips of the user's, their own features, published benchmarks."""

from fewact.data.availability import Availability, ClassCount
from fewact.data.benchmarks import ActionClass, Benchmark, benchmark, benchmark_names, variants
from fewact.data.clips import BACKGROUND, Clip, is_background, limit_per_class
from fewact.data.datasets import FolderDataset, TableDataset
from fewact.data.features import (
    AnyClip,
    FeatureClip,
    FeatureDataset,
    is_features,
    labelled_features,
    read_features,
)
from fewact.data.files import PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_clip, natural_key
from fewact.data.folder import list_background, list_clips
from fewact.data.leak import Leak, leaks, refuse_leaks
from fewact.data.loading import check, load
from fewact.data.paths import expand_paths
from fewact.data.table import read_table
from fewact.data.videos import Groups, Split, Video, VideoList

__all__ = [
    "BACKGROUND",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "ActionClass",
    "AnyClip",
    "Availability",
    "Benchmark",
    "ClassCount",
    "Clip",
    "FeatureClip",
    "FeatureDataset",
    "FolderDataset",
    "Groups",
    "Leak",
    "Split",
    "TableDataset",
    "Video",
    "VideoList",
    "benchmark",
    "benchmark_names",
    "check",
    "expand_paths",
    "is_background",
    "is_clip",
    "is_features",
    "labelled_features",
    "leaks",
    "limit_per_class",
    "list_background",
    "list_clips",
    "load",
    "natural_key",
    "read_features",
    "read_table",
    "refuse_leaks",
    "variants",
]
