"""Evaluation: accuracies of methods over episodes, confidence intervals, paired comparisons."""

from fewact.evaluation.compare import Comparison, compare
from fewact.evaluation.config import (
    BackboneConfig,
    CameraConfig,
    ConditionConfig,
    DataConfig,
    EpisodeConfig,
    EvaluationConfig,
    ReadingConfig,
    TextConfig,
)
from fewact.evaluation.confusion import Confusion, Pair, PairAccuracy, confusion, pair_accuracies
from fewact.evaluation.data import open_features, open_videos
from fewact.evaluation.encoding import Encodings, NodeBank, encode_list
from fewact.evaluation.evaluate import evaluate, sweep
from fewact.evaluation.evaluate_method import Progress, RunOptions, evaluate_method
from fewact.evaluation.leaderboard import Row, leaderboard
from fewact.evaluation.result import EvaluationSetup, Result, load, save, to_text
from fewact.evaluation.stability import Point, stability
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures

__all__ = [
    "ArrayFeatures",
    "BackboneConfig",
    "CameraConfig",
    "Comparison",
    "ConditionConfig",
    "Confusion",
    "DataConfig",
    "Encodings",
    "EpisodeConfig",
    "EvaluationConfig",
    "EvaluationSetup",
    "FeatureSource",
    "NodeBank",
    "Pair",
    "PairAccuracy",
    "Point",
    "Progress",
    "ReadingConfig",
    "Result",
    "Row",
    "RunOptions",
    "TextConfig",
    "VideoFeatures",
    "compare",
    "confusion",
    "encode_list",
    "evaluate",
    "evaluate_method",
    "leaderboard",
    "load",
    "open_features",
    "open_videos",
    "pair_accuracies",
    "save",
    "stability",
    "sweep",
    "to_text",
]
