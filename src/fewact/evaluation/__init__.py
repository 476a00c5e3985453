"""From a method, features and episodes to accuracies, intervals and paired comparisons."""

from fewact.encoding import Encodings, NodeBank, encode_list
from fewact.evaluation.compare import Comparison, compare
from fewact.evaluation.evaluate import Progress, evaluate
from fewact.evaluation.leaderboard import Row, leaderboard
from fewact.evaluation.result import Result, load, save, to_text
from fewact.evaluation.stability import Point, stability
from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures

__all__ = [
    "ArrayFeatures",
    "Comparison",
    "Encodings",
    "FeatureSource",
    "NodeBank",
    "Point",
    "Progress",
    "Result",
    "Row",
    "VideoFeatures",
    "compare",
    "encode_list",
    "evaluate",
    "leaderboard",
    "load",
    "save",
    "stability",
    "to_text",
]
