"""Training: from a recipe, and the training and validation classes, to a checkpoint.

Training itself takes the extra ``train``; recipes can be read without it, and without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fewact.core.errors import TrainingError
from fewact.lab.training.recipe import Recipe, adaptations, names, read, text_of

if TYPE_CHECKING:
    from fewact.lab.training.data import TrainingData
    from fewact.lab.training.loop import Trained, train

__all__ = ["Recipe", "Trained", "TrainingData", "adaptations", "names", "read", "text_of", "train"]

_LAZY = {"TrainingData": "data", "Trained": "loop", "train": "loop"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"fewact.lab.training.{_LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "lightning_fabric":
            raise
        raise TrainingError(
            "training needs the package lightning-fabric",
            hint="Run: pip install 'fewact[lab]'",
        ) from None
