"""Explanations: contributions add up to the log-odds, matches are those of the method."""

import math
import shutil
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from fewact import methods
from fewact.classifier import FewShotClassifier, Prediction
from fewact.classifier.explain import explain
from fewact.data import Frames
from fewact.networks import Backbone
from tests.video.test_source import FPS, padded


def test_contributions_add_up_to_the_log_odds_of_the_prediction(
    examples: FewShotClassifier, predicted: list[Prediction], queries: dict[str, Path]
) -> None:
    for prediction, path in zip(predicted, queries.values(), strict=True):
        found = explain(examples, path)
        assert (found.label, found.best) == (prediction.label, prediction.best)
        assert found.probabilities == prediction.probabilities
        ratio = found.probabilities[found.best] / found.probabilities[found.rival]
        assert found.log_odds == pytest.approx(math.log(ratio), abs=1e-3)
        assert set(found.contributions) == {"appearance", "motion", "moments"}
        assert found.neighbours[0].clip == prediction.nearest
        assert found.method == "fusion"


def test_neighbours_have_frames_parts_and_a_match(
    examples: FewShotClassifier, queries: dict[str, Path]
) -> None:
    found = explain(examples, queries["left"])
    assert len(found.frames) == 8
    assert any(one.label == found.rival for one in found.neighbours)
    for one in found.neighbours:
        assert sum(one.parts.values()) == pytest.approx(one.similarity, abs=1e-5)
        assert len(one.frames) == 8
        assert one.match is not None
        assert len(one.match.query) == len(one.match.plan) == 24
        assert sum(map(sum, one.match.plan)) == pytest.approx(1)
        assert examples.fitted_.all_clips[one.number - 1].title == one.clip
        sizes = {name: (len(x), len(x[0]), len(x[0][0])) for name, x in one.cells.items()}
        assert sizes == {"appearance": (8, 6, 6), "motion": (8, 4, 4)}
        total = sum(value for frame in one.cells["appearance"] for row in frame for value in row)
        assert total == pytest.approx(one.parts["appearance"], abs=1e-3)


def test_a_clip_is_read_as_for_a_prediction_now(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path]
) -> None:
    still = Frames(padded(queries["down"], 4, 4), fps=FPS)
    quick.fit(actions)
    found = {}
    for quick.trim in ("off", "auto"):
        prediction = quick.predict(still)
        assert isinstance(prediction, Prediction)
        assert explain(quick, still).probabilities == prediction.probabilities
        found[quick.trim] = prediction.active
    assert found["off"] is None
    assert found["auto"] is not None


def test_frames_are_shown_as_they_were_compared(examples: FewShotClassifier) -> None:
    clip = np.zeros((16, 120, 320, 3), np.uint8)
    for t, frame in enumerate(clip):
        frame[40:100, 20:32] = 200
        frame[50:60, 32 : 32 + t] = 200
    first = explain(examples, Frames(clip, fps=8)).frames[0]
    with av.open(BytesIO(first)) as image:
        shown = next(image.decode(video=0)).to_ndarray(format="rgb24")
    height, width = shown.shape[:2]
    assert width / height == pytest.approx(4 / 3, abs=0.02)
    rows, columns = (np.flatnonzero((shown > 100).any((other, 2))) for other in (1, 0))
    assert 0.6 < np.ptp(rows) / height < 0.8
    assert abs(columns.mean() / width - 0.5) < 0.15


def test_parts_of_the_logits_add_up(examples: FewShotClassifier) -> None:
    fitted = examples.fitted_
    nodes = {name: value[None] for name, value in fitted.by_clip.nodes.items()}
    logits = fitted.method.score(fitted.by_class, nodes)
    parts = fitted.method.score_parts(fitted.by_class, nodes)
    np.testing.assert_allclose(np.sum(list(parts.values()), 0), logits, atol=2e-6)


@pytest.mark.parametrize(("method", "nodes"), [("a2m2", 14), ("otam", 8), ("pixels", None)])
def test_the_method_that_answered_is_explained(
    method: str, nodes: int | None, backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    classifier = FewShotClassifier(backbone, method).fit(actions)
    found = explain(classifier, queries["down"])
    ratio = found.probabilities[found.best] / found.probabilities[found.rival]
    assert found.method == method
    assert found.log_odds == pytest.approx(math.log(ratio), rel=1e-3, abs=1e-3)
    match = found.neighbours[0].match
    assert (None if match is None else len(match.plan)) == nodes
    assert set(found.neighbours[0].cells) == ({"moments"} if method == "a2m2" else set())
    assert found.attention is None


def test_temporal_attention_is_that_of_the_frames_of_the_clip(
    backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    method = methods.create(
        "a2m2",
        **{"moments.attention": True, "moments.reduction": "linear"},
        **{"moments.in_channels": 112, "moments.width": 16},
    )
    found = explain(FewShotClassifier(backbone, method).fit(actions), queries["down"])
    assert found.attention is not None
    assert [sum(row) for row in found.attention.plan] == pytest.approx([1 / 8] * 8)


def test_a_loaded_model_shows_what_is_at_hand(
    backbone: Backbone, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(actions, tmp_path / "actions")
    model = (
        FewShotClassifier(backbone, "pixels").fit(folder).save(tmp_path / "model", thumbnails=True)
    )
    shutil.rmtree(folder)
    loaded = FewShotClassifier.load(model, backbone=backbone)
    assert len(explain(loaded, queries["left"]).neighbours[0].frames) == 1
