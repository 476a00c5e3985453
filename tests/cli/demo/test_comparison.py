"""Several methods on the same features: the same as each method on its own."""

from pathlib import Path

import pytest
import torch

from fewact import FewShotClassifier, backbones
from fewact.backbones import Backbone
from fewact.cli.demo.comparison import Outcome, compare, match
from fewact.data import Clip, list_clips
from fewact.errors import DataError

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
def test_each_method_says_what_it_says_alone(
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


def test_counts(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        labels = [(one.clip.label, one.label) for one in outcome.predictions]
        assert outcome.right == sum(truth == said for truth, said in labels)
        assert outcome.accuracy == pytest.approx(100 * outcome.right / 3)
        for truth, row in zip(outcome.fitted.classes, outcome.confusion, strict=True):
            for said, count in zip(outcome.fitted.classes, row, strict=True):
                assert count == labels.count((truth, said))


def test_match_is_of_a_clip_that_was_recognised(
    clips: Path, outcomes: list[Outcome], backbone: Backbone
) -> None:
    examples, _ = split(clips)
    (seen,), _ = compare(examples, examples[1:], ("a2m2",), backbone, lambda *_: None)
    found = match(seen)
    assert found is not None
    assert found.query.path == found.examples.path
    assert found.frames == 8
    assert found.windows[:2] == ((0, 1), (1, 2))
    assert found.windows[-2:] == ((0, 4), (4, 8))
    plan = torch.tensor(found.plan)
    assert plan.shape == (14, 14)
    assert float(plan.sum()) == pytest.approx(14, abs=1e-3)
    # A clip goes onto itself: nothing has to move.
    assert float(plan.diagonal().sum()) == pytest.approx(14, abs=1e-3)
    assert match(outcomes[0]) is None


@pytest.mark.slow
def test_clips_that_cannot_be_read(clips: Path, broken: Path, backbone: Backbone) -> None:
    examples, new = split(clips)
    bad = Clip(broken / "text.mp4", new[0].label)
    (outcome,), skipped = compare(examples, [bad, *new], ("protonet",), backbone, lambda *_: None)
    assert [one.clip for one in skipped] == [bad]
    assert len(outcome.predictions) == 3
    with pytest.raises(DataError, match="no new clip"):
        compare(examples, [bad], ("protonet",), backbone, lambda *_: None)
    with pytest.raises(DataError, match="no taught clip of a class"):
        compare([bad, *examples[1:]], new, ("protonet",), backbone, lambda *_: None)
