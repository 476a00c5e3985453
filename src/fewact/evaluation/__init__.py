"""Evaluation: accuracies of methods over episodes, confidence intervals, paired comparisons."""

from fewact.encoding import Encodings, NodeBank, encode_list
from fewact.evaluation.compare import Comparison, compare
from fewact.evaluation.evaluate_method import Progress, RunOptions, evaluate_method
from fewact.evaluation.leaderboard import Row, leaderboard
from fewact.evaluation.result import EvaluationSetup, Result, load, save, to_text
from fewact.evaluation.stability import Point, stability
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures

__all__ = [
    "ArrayFeatures",
    "Comparison",
    "Encodings",
    "EvaluationSetup",
    "FeatureSource",
    "NodeBank",
    "Point",
    "Progress",
    "Result",
    "Row",
    "RunOptions",
    "VideoFeatures",
    "compare",
    "encode_list",
    "evaluate_method",
    "leaderboard",
    "load",
    "save",
    "stability",
    "to_text",
]
