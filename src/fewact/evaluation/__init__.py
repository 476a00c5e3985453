"""From a method, features and episodes to accuracies, intervals and paired comparisons."""

from fewact.evaluation.evaluate import Progress, evaluate
from fewact.evaluation.result import Result, load, save, to_text
from fewact.evaluation.sources import ArrayFeatures, ClipFeatures, Source

__all__ = [
    "ArrayFeatures",
    "ClipFeatures",
    "Progress",
    "Result",
    "Source",
    "evaluate",
    "load",
    "save",
    "to_text",
]
