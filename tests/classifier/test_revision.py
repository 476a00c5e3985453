"""Which clips a page's model has encoded."""

from dataclasses import replace

import pytest

from fewact import FewShotClassifier
from fewact.classifier.estimator import learned
from fewact.classifier.examples import Examples
from fewact.classifier.revision import Revision, keys_of


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
