"""Few-shot action recognition in video.

``FewShotClassifier`` learns actions from a few clips and recognises them in new ones. The
subpackages ``video``, ``backbones``, ``features``, ``moments``, ``align`` and ``methods`` are its
parts; ``data``, ``synthetic`` and ``evaluation`` measure methods on labelled videos, and
``training`` trains them. Importing this package loads no torch: a
subpackage is imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fewact.core.errors import FewactError, UserError

if TYPE_CHECKING:
    from fewact import (
        align,
        backbones,
        classifier,
        data,
        evaluation,
        features,
        methods,
        moments,
        synthetic,
        training,
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
    "backbones",
    "classifier",
    "data",
    "evaluation",
    "features",
    "methods",
    "moments",
    "synthetic",
    "training",
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
