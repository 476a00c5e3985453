"""A classifier that learns classes from a few clips of each."""

from fewact.classifier.calibration import Calibration
from fewact.classifier.examples import Example
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.prediction import Prediction, Skipped

__all__ = ["Calibration", "Example", "FewShotClassifier", "Prediction", "Skipped"]
