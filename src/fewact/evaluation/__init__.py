"""Evaluation: accuracies of methods over episodes, confidence intervals, paired comparisons.

Importing this module loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewact.evaluation.comparison import (
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
    from fewact.evaluation.data import open_features, open_videos
    from fewact.evaluation.encode import Encodings, NodeBank, encode_list
    from fewact.evaluation.published import Row, leaderboard
    from fewact.evaluation.result import EvaluationSetup, Result, load, save, to_text
    from fewact.evaluation.run import evaluate, sweep
    from fewact.evaluation.scoring import Progress, RunOptions, evaluate_method
    from fewact.evaluation.spec import (
        CameraSpec,
        ConditionSpec,
        DataSpec,
        EpisodeFile,
        EpisodeSpec,
        EvaluationSpec,
        ReadingSpec,
    )
    from fewact.features.sources import ArrayFeatures, FeatureSource, VideoFeatures

__all__ = [
    "ArrayFeatures",
    "CameraSpec",
    "Comparison",
    "ConditionSpec",
    "Confusion",
    "DataSpec",
    "Encodings",
    "EpisodeFile",
    "EpisodeSpec",
    "EvaluationSetup",
    "EvaluationSpec",
    "FeatureSource",
    "NodeBank",
    "Pair",
    "PairAccuracy",
    "Point",
    "Progress",
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
    "ArrayFeatures": "features.sources",
    "CameraSpec": "evaluation.spec",
    "Comparison": "evaluation.comparison",
    "ConditionSpec": "evaluation.spec",
    "Confusion": "evaluation.comparison",
    "DataSpec": "evaluation.spec",
    "Encodings": "evaluation.encode",
    "EpisodeFile": "evaluation.spec",
    "EpisodeSpec": "evaluation.spec",
    "EvaluationSpec": "evaluation.spec",
    "EvaluationSetup": "evaluation.result",
    "FeatureSource": "features.sources",
    "NodeBank": "evaluation.encode",
    "Pair": "evaluation.comparison",
    "PairAccuracy": "evaluation.comparison",
    "Point": "evaluation.comparison",
    "Progress": "evaluation.scoring",
    "ReadingSpec": "evaluation.spec",
    "Result": "evaluation.result",
    "Row": "evaluation.published",
    "RunOptions": "evaluation.scoring",
    "VideoFeatures": "features.sources",
    "compare": "evaluation.comparison",
    "confusion": "evaluation.comparison",
    "encode_list": "evaluation.encode",
    "evaluate": "evaluation.run",
    "evaluate_method": "evaluation.scoring",
    "leaderboard": "evaluation.published",
    "load": "evaluation.result",
    "open_features": "evaluation.data",
    "open_videos": "evaluation.data",
    "pair_accuracies": "evaluation.comparison",
    "save": "evaluation.result",
    "stability": "evaluation.comparison",
    "sweep": "evaluation.run",
    "to_text": "evaluation.result",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"fewact.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
