"""Several methods on the same features give the same results as each method alone."""

from pathlib import Path

import pytest
import torch

from fewact import FewShotClassifier, backbones
from fewact.backbones import Backbone
from fewact.cli.demo.comparison import Outcome, compare, match
from fewact.core.errors import DataError
from fewact.data import Clip, list_clips

METHODS = ("protonet", "a2m2")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return backbones.create(precision="float32")


def split(folder: Path) -> tuple[list[Clip], list[Clip]]:
    clips = list_clips(folder)
    return [c for c in clips if c.path.stem == "1"], [c for c in clips if c.path.stem == "2"]


@pytest.fixture(scope="module")
def outcomes(clips: Path, backbone: Backbone) -> list[Outcome]:
    steps: list[tuple[int, int]] = []
    found, skipped = compare(*split(clips), METHODS, backbone, lambda *step: steps.append(step))
    assert steps == [(done, 6) for done in range(1, 7)]
    assert not skipped
    return found


@pytest.mark.slow
def test_each_method_predicts_the_same_as_alone(
    outcomes: list[Outcome], clips: Path, backbone: Backbone
) -> None:
    examples, new = split(clips)
    for name, outcome in zip(METHODS, outcomes, strict=True):
        alone = FewShotClassifier(backbone, name).fit(examples).predict(new)
        assert outcome.name == name
        for got, expected in zip(outcome.predictions, alone, strict=True):
            assert got.clip == expected.clip
            assert got.label == expected.label
            assert got.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
            assert Path(got.nearest).name == Path(expected.nearest).name


def test_counts_match_the_predictions(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        labels = [(one.clip.label, one.label) for one in outcome.predictions]
        assert outcome.correct == sum(true == predicted for true, predicted in labels)
        assert outcome.accuracy == pytest.approx(100 * outcome.correct / 3)
        for true, row in zip(outcome.fitted.classes, outcome.confusion, strict=True):
            for predicted, count in zip(outcome.fitted.classes, row, strict=True):
                assert count == labels.count((true, predicted))


def test_the_match_is_of_a_correctly_predicted_clip(
    clips: Path, outcomes: list[Outcome], backbone: Backbone
) -> None:
    examples, _ = split(clips)
    (outcome,), _ = compare(examples, examples[1:], ("a2m2",), backbone, lambda *_: None)
    found = match(outcome)
    assert found is not None
    assert found.query.path == found.example.path
    assert found.frames == 8
    assert found.windows[:2] == ((0, 1), (1, 2))
    assert found.windows[-2:] == ((0, 4), (4, 8))
    plan = torch.tensor(found.plan)
    assert plan.shape == (14, 14)
    assert float(plan.sum()) == pytest.approx(14, abs=1e-3)
    # The same clip: each window is matched to itself.
    assert float(plan.diagonal().sum()) == pytest.approx(14, abs=1e-3)
    assert match(outcomes[0]) is None


@pytest.mark.slow
def test_unreadable_clips_are_skipped_or_refused(
    clips: Path, broken: Path, backbone: Backbone
) -> None:
    examples, new = split(clips)
    bad = Clip(broken / "text.mp4", new[0].label)
    (outcome,), skipped = compare(examples, [bad, *new], ("protonet",), backbone, lambda *_: None)
    assert [one.clip for one in skipped] == [bad]
    assert len(outcome.predictions) == 3
    with pytest.raises(DataError, match="no clip to predict"):
        compare(examples, [bad], ("protonet",), backbone, lambda *_: None)
    with pytest.raises(DataError, match="no training clip of a class"):
        compare([bad, *examples[1:]], new, ("protonet",), backbone, lambda *_: None)
