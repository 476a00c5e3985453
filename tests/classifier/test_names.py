"""Names of classes."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact import FewShotClassifier
from fewact.classifier.names import check_label, existing_class
from fewact.core.errors import DataError
from fewact.data import FeatureClip, list_clips
from tests.classifier.features import LABELS, vectors


def test_labels_are_normalised_and_checked() -> None:
    assert check_label("ho\u0308he 跳跃") == "höhe 跳跃"
    assert check_label(" clap \t") == "clap"
    for label in ("", "  ", "a\nb"):
        with pytest.raises(DataError):
            check_label(label)
    with pytest.raises(DataError):
        check_label("None")


def test_an_existing_class_is_found_without_the_spaces_around_its_name() -> None:
    assert existing_class(" wave", ["clap", "wave"]) == "wave"
    assert existing_class("wave ", ["wave", "wave "]) == "wave "
    with pytest.raises(DataError) as refused:
        existing_class("wave", ["Wave"])
    assert refused.value.hint == 'Did you mean "Wave"?'


def test_integers_stay_integers(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    clips = list_clips(actions)
    codes = {"left": -1, "right": 10, "down": 2}
    quick.fit([clip.path for clip in clips], np.array([codes[str(c.label)] for c in clips]))
    assert tuple(quick.classes_) == (-1, 2, 10)
    for classifier in (quick, FewShotClassifier.load(quick.save(tmp_path / "model"))):
        got = classifier.predict(queries.values())
        assert got.labels == [-1, 10, 2]
        assert list(got[0].probabilities) == [-1, 2, 10]
        assert np.asarray(got).dtype.kind == "i"
        assert classifier.score(list(queries.values()), [-1, 10, 10]) == pytest.approx(2 / 3)
    quick.add_clips(2, queries["down"]).add_class(3, queries["left"])
    assert tuple(quick.classes_) == (-1, 2, 3, 10)
    with pytest.raises(DataError):
        quick.add_class("up", queries["right"])
    assert tuple(quick.classes_) == (-1, 2, 3, 10)
    with pytest.raises(DataError):
        quick.fit([clip.path for clip in clips[:2]], [1, "a"])  # type: ignore[list-item]
    assert tuple(quick.fit({0: actions / "left", 1: actions / "right"}).classes_) == (0, 1)


def test_an_integer_has_one_text(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    """Inside, classes are texts; outside, "01" would be the same class as "1"."""
    quick.fit({0: actions / "left", 1: actions / "right", 2: actions / "down"})
    for name in ("01", " 001", "-0", "1"):
        with pytest.raises(DataError):
            quick.add_class(name, queries["right"])
        with pytest.raises(DataError):
            quick.rename_class(2, name)
    quick.add_clips("01", queries["right"]).add_class("007", queries["left"])
    quick.move_clip("1/clip 0.mp4", "-0").move_clip("1/clip 0.mp4", "01")
    assert tuple(quick.classes_) == (0, 1, 2, 7)
    assert [clip.label for clip in quick.fitted_.clips].count("1") == 4
    assert quick.predict_proba(queries["right"]).sum() == pytest.approx(1)
    quick.rename_class("02", "03").remove_class("07")
    assert tuple(quick.classes_) == (0, 1, 3)
    folder = shutil.copytree(actions, tmp_path / "test")
    for old, new in (("left", "00"), ("right", "01"), ("down", "03")):
        (folder / old).rename(folder / new)
    assert quick.score(folder) == 1
    for name in ("1_0", "+1", "one"):
        with pytest.raises(DataError):
            quick.add_class(name, queries["left"])


def test_a_model_of_texts_has_classes_that_differ_in_zeros(
    quick: FewShotClassifier, actions: Path
) -> None:
    quick.fit({"1": actions / "left", "01": actions / "right"})
    assert set(quick.classes_) == {"1", "01"}


def test_large_integers_are_not_rounded() -> None:
    large, rng = 2**63 + 5, np.random.default_rng(0)
    clips = [FeatureClip(str(i), rng.normal(size=(4, 8))) for i in range(4)]
    classifier = FewShotClassifier(method="protonet").fit(clips, [1, 1, large, large])
    assert classifier.classes_.tolist() == [1, large]
    found = classifier.predict(clips)
    assert np.asarray(found).tolist() == found.labels
    assert set(found.labels) == {1, large}
    assert np.allclose(classifier.predict_proba(clips).sum(1), 1)


@pytest.mark.parametrize("labels", [3, "ab", b"ab", {"a": 1, "b": 2}, torch.tensor(1)])
def test_labels_are_a_list(by_vectors: FewShotClassifier, labels: Any) -> None:
    clips = vectors(LABELS)
    for call in (by_vectors.fit, by_vectors.score):
        with pytest.raises(DataError):
            call(clips, labels)
