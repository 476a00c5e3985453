"""A classifier that learns classes from a few clips of each.

Its parts are imported on first use.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.classifier.calibration import Calibration
    from fewact.classifier.few_shot import FewShotClassifier
    from fewact.classifier.names import NONE, Example, Label
    from fewact.classifier.prediction import Prediction, Predictions, Skipped
    from fewact.classifier.unknown import OpenSet, OpenSetDecision

_NAMES_OF = {
    "calibration": ("Calibration",),
    "few_shot": ("FewShotClassifier",),
    "names": ("NONE", "Example", "Label"),
    "prediction": ("Prediction", "Predictions", "Skipped"),
    "unknown": ("OpenSet", "OpenSetDecision"),
}
_MODULES = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = [
    "NONE",
    "Calibration",
    "Example",
    "FewShotClassifier",
    "Label",
    "OpenSet",
    "OpenSetDecision",
    "Prediction",
    "Predictions",
    "Skipped",
]

# The application decides what becomes of messages; without a handler of its own it sees none.
logging.getLogger("fewact").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"fewact.classifier.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'fewact.classifier' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
