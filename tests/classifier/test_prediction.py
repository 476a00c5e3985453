"""Predictions as dictionaries, tables and arrays; sets of classes."""

from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.core.errors import OptionError
from tests.classifier.features import LABELS, vectors


def test_predictions_as_dictionaries_and_as_a_table(
    taught: FewShotClassifier, queries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = taught.predict(queries.values())
    facts = got[0].to_dict()
    assert facts["path"] == str(queries["left"])
    assert list(facts["probabilities"]) != sorted(facts["probabilities"])
    assert facts["probabilities"]["left"] == facts["probability"] == got[0].probability
    frame = pytest.importorskip("pandas") and got.to_frame()
    assert frame.shape == (3, 9)
    assert frame["label"].tolist() == got.labels
    assert frame["p(left)"].tolist() == [one.probabilities["left"] for one in got]
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(OptionError):
        got.to_frame()


def test_a_slice_of_predictions_has_their_labels(by_vectors: FewShotClassifier) -> None:
    found = by_vectors.predict(vectors(LABELS))
    assert found[1:3].labels == ["clap", "wave"]
    assert found[-1].label == "wave"


def test_sets_of_classes(taught: FewShotClassifier, queries: dict[str, Path]) -> None:
    assert taught.predict(queries["left"]).set == ()
    assert "set" not in taught.predict(queries["left"]).to_dict()
    taught.sets = 0.95  # nine held-out clips are too few
    every = taught.predict(queries["left"])
    assert set(every.set) == set(taught.classes_)
    assert every.set[0] == every.best
    taught.sets = 0.8
    assert taught.predict(queries["left"]).to_dict()["set"] == ["left"]
    taught.sets = 1.0
    with pytest.raises(OptionError):
        taught.predict(queries["left"])
