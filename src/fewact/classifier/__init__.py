"""A classifier that learns classes from a few clips of each."""

from fewact.classifier.calibration import Calibration
from fewact.classifier.examples import Example
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.open_set import Decision, OpenSet
from fewact.classifier.prediction import NONE, Prediction, Predictions, Skipped

__all__ = [
    "NONE",
    "Calibration",
    "Decision",
    "Example",
    "FewShotClassifier",
    "OpenSet",
    "Prediction",
    "Predictions",
    "Skipped",
]
