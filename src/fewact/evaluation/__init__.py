"""From a method, features and episodes to accuracies, intervals and paired comparisons."""

from fewact.evaluation.compare import Comparison, compare
from fewact.evaluation.evaluate import Progress, evaluate
from fewact.evaluation.leaderboard import Row, leaderboard
from fewact.evaluation.nodes import NodeBank, encode
from fewact.evaluation.result import Result, load, save, to_text
from fewact.evaluation.sources import ArrayFeatures, ClipFeatures, Source

__all__ = [
    "ArrayFeatures",
    "ClipFeatures",
    "Comparison",
    "NodeBank",
    "Progress",
    "Result",
    "Row",
    "Source",
    "compare",
    "encode",
    "evaluate",
    "leaderboard",
    "load",
    "save",
    "to_text",
]
