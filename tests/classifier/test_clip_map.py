"""The map of a model: distances from similarities, prototypes as means."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier, methods
from fewact.classifier import clip_map
from fewact.classifier.clip_map import distances, map_clips
from fewact.core.errors import ExtraError
from fewact.data import FeatureClip, Frames
from fewact.video import EveryNth, read_frames

AROUND_AN_ACTION = "down", "left", "down"


def vectors(seed: int, label: int) -> np.ndarray:
    """Features (8 16) of a clip; those of a class are alike."""
    centre = np.random.default_rng(label).standard_normal((8, 16))
    noise = np.random.default_rng([seed, label]).standard_normal((8, 16))
    return (centre + 0.2 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> FewShotClassifier:
    clips = [
        FeatureClip(f"{label}/{i}", vectors(i, label), label=f"class {label}")
        for label in range(3)
        for i in range(6)
    ]
    return FewShotClassifier("auto", methods.create("protonet", frames=8)).fit(clips)


def test_distances_are_those_of_an_inner_product() -> None:
    points = np.random.default_rng(0).standard_normal((5, 3))
    expected = np.linalg.norm(points[:, None] - points, axis=-1)
    np.testing.assert_allclose(distances(points @ points.T), expected, atol=1e-7)


@pytest.mark.slow
def test_clips_surround_their_prototype_and_videos_their_class(
    classifier: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    kept = []
    real = clip_map._arranged
    monkeypatch.setattr(clip_map, "_arranged", lambda apart: kept.append(apart) or real(apart))
    video = FeatureClip("new", vectors(50, 2))
    found = map_clips(classifier, [video])
    assert [one.kind for one in found.points] == ["clip"] * 18 + ["prototype"] * 3 + ["video"]
    assert found.points[-1].label == "class 2"
    assert found == map_clips(classifier, [video])
    (apart, _) = kept
    own = apart[18:21, :18]  # of prototypes to clips
    for label in range(3):
        mine = own[label, 6 * label : 6 * label + 6]
        assert mine.max() < own[label][[i for i in range(18) if i // 6 != label]].min()
    assert apart[21, :21].argmin() in (*range(12, 18), 20)
    places = np.array([(one.x, one.y) for one in found.points])
    assert places.min() >= 0
    assert places.max() <= 1
    nearest = np.linalg.norm(places[:18, None] - places[18:21], axis=-1).argmin(1)
    assert nearest.tolist() == [i // 6 for i in range(18)]


@pytest.mark.slow
def test_a_long_clip_has_the_class_that_is_predicted(
    examples: FewShotClassifier, queries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a part of it shows the action; this part is compared as training clips are."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    parts = [read_frames(queries[one], EveryNth(1)) for one in AROUND_AN_ACTION]
    long = Frames(np.concatenate(parts), fps=12, name="long")
    predicted = examples.predict(long)
    assert predicted.active is not None
    found = map_clips(examples, [long])
    assert found.points[-1].label == predicted.label
    monkeypatch.setattr(examples, "trim", "off")
    full = examples.predict(long)
    assert full.label != predicted.label
    assert map_clips(examples, [long]).points[-1].label == full.label


def test_without_its_library_the_map_says_how_to_install_it(
    classifier: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ExtraError) as refused:
        map_clips(classifier)
    assert refused.value.extra == "lab"
