"""Which clips a page's model has encoded."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewact import FewShotClassifier
from fewact.classifier.estimator import learned
from fewact.classifier.examples import Examples
from fewact.classifier.revision import Lesson, Revision, keys_of
from fewact.data import Clip
from fewact.errors import DataError


def test_clips_of_a_model_are_known_without_a_copy_of_their_nodes(
    examples: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = Revision(examples)
    monkeypatch.setattr(Examples, "select", None)
    keys = keys_of(examples.clips_)
    assert revision.has(keys)
    assert not revision.has([*keys, ("new.mp4", None, None, 0)])


def test_clips_of_another_orientation_are_not_added(examples: FewShotClassifier) -> None:
    everything = learned(examples)[1].everything
    (first, *_) = everything.clips
    for turns in (0, 1):
        revision = Revision(examples)
        removed = replace(everything, clips=(replace(first, name="removed.mp4"),))
        revision.add(replace(removed, nodes={}, origins=(None,)), turns)
        assert revision.has([("removed.mp4", first.start, first.end, 0)]) is (turns == 0)


def test_without_an_encoded_clip_the_orientation_is_not_known_and_nothing_is_added(
    examples: FewShotClassifier, quick: FewShotClassifier
) -> None:
    everything = learned(examples)[1].everything
    for turns in (0, 1):
        revision = Revision(quick)
        revision.add(everything, turns)
        assert not revision.has(keys_of(everything.clips)[:1])


@pytest.mark.parametrize("encoded", [0, 1])
def test_a_lesson_that_is_not_encoded_is_refused(
    quick: FewShotClassifier, actions: Path, encoded: int
) -> None:
    files = {"left": actions / "left" / "clip 0.mp4", "right": actions / "right" / "clip 1.mp4"}
    revision = Revision(quick)
    for file in list(files.values())[:encoded]:
        revision.encode(Clip(file))
    lessons = [Lesson((file.name, None, None, 0), label, label) for label, file in files.items()]
    with pytest.raises(DataError, match="the clip is not encoded") as error:
        revision.teach(lessons)
    assert error.value.where == list(files)[encoded]
