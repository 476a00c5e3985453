"""Few-shot action recognition in video.

``FewShotClassifier`` learns actions from a few clips and recognises them in new ones, by NumPy and
ONNX Runtime. ``recordings`` finds actions in long videos. ``lab`` trains and evaluates methods; it
needs PyTorch. A subpackage is imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fewact.core.errors import FewactError, UserError

if TYPE_CHECKING:
    from fewact import (
        align,
        classifier,
        data,
        features,
        lab,
        methods,
        moments,
        networks,
        recordings,
        synthetic,
        video,
    )
    from fewact.classifier import FewShotClassifier
    from fewact.data import Frames

from fewact.core.version import __version__

__all__ = [
    "FewShotClassifier",
    "FewactError",
    "Frames",
    "UserError",
    "__version__",
    "align",
    "classifier",
    "data",
    "features",
    "lab",
    "methods",
    "moments",
    "networks",
    "recordings",
    "synthetic",
    "video",
]

HOMES = {"FewShotClassifier": "classifier", "Frames": "data"}
"""Subpackages of the names that are not subpackages themselves."""


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(f"fewact.{HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"fewact.{name}")
    raise AttributeError(f"module 'fewact' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
