"""A classifier that learns classes from a few clips of each."""

import logging

from fewact.classifier.calibration import Calibration
from fewact.classifier.events import Event
from fewact.classifier.examples import Example
from fewact.classifier.few_shot import FewShotClassifier
from fewact.classifier.labels import Label
from fewact.classifier.open_set import Decision, OpenSet
from fewact.classifier.prediction import NONE, Prediction, Predictions, Skipped
from fewact.classifier.stream import State, Stream

__all__ = [
    "NONE",
    "Calibration",
    "Decision",
    "Event",
    "Example",
    "FewShotClassifier",
    "Label",
    "OpenSet",
    "Prediction",
    "Predictions",
    "Skipped",
    "State",
    "Stream",
]

# The application decides what becomes of messages; without a handler of its own it sees none.
logging.getLogger("fewact").addHandler(logging.NullHandler())
