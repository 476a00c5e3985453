"""Evaluation: accuracies of methods over episodes, confidence intervals, paired comparisons.

Importing this module loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.lab.evaluation.comparison import (
        Comparison,
        Confusion,
        Pair,
        PairAccuracy,
        Point,
        compare,
        confusion,
        pair_accuracies,
        stability,
    )
    from fewact.lab.evaluation.encode import Encodings, NodeBank, encode_list
    from fewact.lab.evaluation.episodes import Protocol
    from fewact.lab.evaluation.published import Row, leaderboard
    from fewact.lab.evaluation.result import EvaluationSetup, Result, load, save, to_text
    from fewact.lab.evaluation.run import evaluate, open_features, open_videos, sweep
    from fewact.lab.evaluation.scoring import Progress, RunOptions, evaluate_method
    from fewact.lab.evaluation.spec import (
        CameraSpec,
        ConditionSpec,
        DataSpec,
        EpisodeFile,
        EvaluationSpec,
        ReadingSpec,
    )
    from fewact.lab.store.sources import ArrayFeatures, FeatureSource, VideoFeatures

__all__ = [
    "ArrayFeatures",
    "CameraSpec",
    "Comparison",
    "ConditionSpec",
    "Confusion",
    "DataSpec",
    "Encodings",
    "EpisodeFile",
    "EvaluationSetup",
    "EvaluationSpec",
    "FeatureSource",
    "NodeBank",
    "Pair",
    "PairAccuracy",
    "Point",
    "Progress",
    "Protocol",
    "ReadingSpec",
    "Result",
    "Row",
    "RunOptions",
    "VideoFeatures",
    "compare",
    "confusion",
    "encode_list",
    "evaluate",
    "evaluate_method",
    "leaderboard",
    "load",
    "open_features",
    "open_videos",
    "pair_accuracies",
    "save",
    "stability",
    "sweep",
    "to_text",
]

_HOMES = {
    "lab.evaluation.comparison": "Comparison Confusion Pair PairAccuracy Point compare confusion "
    "pair_accuracies stability",
    "lab.evaluation.encode": "Encodings NodeBank encode_list",
    "lab.evaluation.episodes": "Protocol",
    "lab.evaluation.published": "Row leaderboard",
    "lab.evaluation.result": "EvaluationSetup Result load save to_text",
    "lab.evaluation.run": "evaluate open_features open_videos sweep",
    "lab.evaluation.scoring": "Progress RunOptions evaluate_method",
    "lab.evaluation.spec": "CameraSpec ConditionSpec DataSpec EpisodeFile EvaluationSpec "
    "ReadingSpec",
    "lab.store.sources": "ArrayFeatures FeatureSource VideoFeatures",
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"fewact.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
