"""A program that uses fewact, for mypy alone: one clip gives one prediction, several give several.

It is never run. ``make types`` checks it.
"""

from pathlib import Path
from typing import assert_type

import numpy as np
from torch import Tensor

from fewact import FewShotClassifier, Frames
from fewact.classifier import Label, Prediction, Predictions


def fit(path: Path, content: bytes) -> FewShotClassifier:
    FewShotClassifier().fit({0: "clips/wave", 1: ["clips/clap"]})
    FewShotClassifier().fit([path, content], [0, 1])
    return FewShotClassifier().fit({"wave": "clips/wave", "clap": [path, content]})


def predict_one(classifier: FewShotClassifier, path: Path, content: bytes, tensor: Tensor) -> None:
    assert_type(classifier.predict("a.mp4"), Prediction)
    assert_type(classifier.predict(path), Prediction)
    assert_type(classifier.predict(content), Prediction)
    assert_type(classifier.predict(tensor), Prediction)
    assert_type(classifier.predict(Frames(tensor)), Prediction)
    assert_type(classifier.predict(np.zeros((8, 48, 64, 3), np.uint8)), Prediction)
    assert_type(classifier.predict(path).label, str | int)
    assert_type(classifier.predict(path).probabilities, dict[Label, float])


def predict_several(classifier: FewShotClassifier, path: Path, content: bytes) -> None:
    assert_type(classifier.predict(["clips", "day*/*.mp4"]), Predictions)
    assert_type(classifier.predict([path, content]), Predictions)
    assert_type(classifier.predict(path.iterdir()), Predictions)
    assert_type(classifier.predict([path])[0], Prediction)
    assert_type(classifier.predict([path]).labels, list[Label])


def edit(classifier: FewShotClassifier, name: Label) -> FewShotClassifier:
    return classifier.add_class(name, "more").rename_class(name, "other").move_clip(1, name)
