"""From a method, features and episodes to accuracies, intervals and paired comparisons."""

from fewact.evaluation.compare import Comparison, compare
from fewact.evaluation.evaluate import Progress, evaluate
from fewact.evaluation.leaderboard import Row, leaderboard
from fewact.evaluation.result import Result, load, save, to_text
from fewact.evaluation.sources import ArrayFeatures, ClipFeatures, Source

__all__ = [
    "ArrayFeatures",
    "ClipFeatures",
    "Comparison",
    "Progress",
    "Result",
    "Row",
    "Source",
    "compare",
    "evaluate",
    "leaderboard",
    "load",
    "save",
    "to_text",
]
