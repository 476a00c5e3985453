"""Which clips a page's model has encoded."""

import pytest

from fewact import FewShotClassifier
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
