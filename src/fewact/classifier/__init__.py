"""A classifier that learns classes from a few clips of each.

Its parts are imported on first use.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.classifier.calibration import Calibration
    from fewact.classifier.example import Example
    from fewact.classifier.few_shot import FewShotClassifier
    from fewact.classifier.labels import Label
    from fewact.classifier.open_set import Decision, OpenSet
    from fewact.classifier.prediction import NONE, Prediction, Predictions, Skipped
    from fewact.classifier.recordings.events import Event
    from fewact.classifier.recordings.stream import State, Stream

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

_MODULES = {
    "NONE": "prediction",
    "Calibration": "calibration",
    "Decision": "open_set",
    "Event": "recordings.events",
    "Example": "example",
    "FewShotClassifier": "few_shot",
    "Label": "labels",
    "OpenSet": "open_set",
    "Prediction": "prediction",
    "Predictions": "prediction",
    "Skipped": "prediction",
    "State": "recordings.stream",
    "Stream": "recordings.stream",
}

# The application decides what becomes of messages; without a handler of its own it sees none.
logging.getLogger("fewact").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.classifier.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fewact.classifier' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
