"""Which clips a page's model has encoded."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier, methods
from fewact.classifier.class_names import ClassNames
from fewact.classifier.examples import Examples
from fewact.classifier.file import ModelHeader, SavedModel, load
from fewact.classifier.revision import Revision, encodes_as, keys_of
from fewact.classifier.saved import SavedMethod
from fewact.core.errors import DataError
from fewact.data import Clip


def test_clips_of_a_model_are_known_without_a_copy_of_their_nodes(
    examples: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = Revision(examples)
    monkeypatch.setattr(Examples, "select", None)
    keys = keys_of(examples.fitted_.clips)
    assert revision.has(keys)
    assert not revision.has([*keys, ("new.mp4", None, None, 0, None)])


def other_card(header: ModelHeader) -> ModelHeader:
    backbone = header.backbone
    card = {**backbone.card, "mean": [0.0, 0.0, 0.0]}
    return header.model_copy(update={"backbone": backbone.model_copy(update={"card": card})})


def other_method(header: ModelHeader) -> ModelHeader:
    method = header.method.model_copy(update={"options": {}})
    return header.model_copy(update={"method": method})


def with_class_names(model: SavedModel) -> SavedModel:
    return replace(
        model, class_names=ClassNames(model.examples.classes, np.ones((2, 3), np.float32), {}, "on")
    )


@pytest.fixture
def former(examples: FewShotClassifier, tmp_path: Path) -> SavedModel:
    """The saved classifier, whose first clip has another name."""
    model = load(examples.save(tmp_path / "former"))
    (first, *others) = model.examples.clips
    clips = (replace(first, name="removed.mp4"), *others)
    return replace(model, examples=replace(model.examples, clips=clips))


def has_removed(revision: Revision, former: SavedModel) -> bool:
    """Return whether a classifier has the first clip of another after it was added."""
    revision.add(former)
    return revision.has(keys_of(former.examples.clips)[:1])


def test_clips_of_a_former_version_are_added(
    examples: FewShotClassifier, former: SavedModel
) -> None:
    assert has_removed(Revision(examples), former)


@pytest.mark.parametrize("change", [other_card, other_method])
def test_clips_that_were_encoded_otherwise_are_not_added(
    examples: FewShotClassifier, former: SavedModel, change: Callable[[ModelHeader], ModelHeader]
) -> None:
    assert not has_removed(Revision(examples), replace(former, header=change(former.header)))


def test_clips_with_other_embeddings_are_not_added(
    examples: FewShotClassifier, former: SavedModel
) -> None:
    assert not has_removed(Revision(examples), with_class_names(former))


def test_weights_are_part_of_how_clips_are_encoded(
    examples: FewShotClassifier, former: SavedModel
) -> None:
    method = methods.create("a2m2", preset="paper", moments={"in_channels": 64})
    pipeline = replace(examples.fitted_.pipeline, method=method)
    header = former.header.model_copy(update={"method": SavedMethod.of(method)})
    assert encodes_as(replace(former, header=header, method=method), pipeline)
    other = deepcopy(method)
    other.load_weights({name: np.asarray(value + 1) for name, value in other.weights().items()})
    assert not encodes_as(replace(former, header=header, method=other), pipeline)


def test_without_an_encoded_clip_nothing_is_added(
    quick: FewShotClassifier, former: SavedModel
) -> None:
    assert not has_removed(Revision(quick), former)


@pytest.mark.parametrize("encoded", [0, 1])
def test_a_lesson_that_is_not_encoded_is_refused(
    quick: FewShotClassifier, actions: Path, encoded: int
) -> None:
    files = {"left": actions / "left" / "clip 0.mp4", "right": actions / "right" / "clip 1.mp4"}
    revision = Revision(quick)
    for file in list(files.values())[:encoded]:
        revision.encode(Clip(file))
    lessons = [((file.name, None, None, 0, None), label, label) for label, file in files.items()]
    with pytest.raises(
        DataError, match=f'"{list(files)[encoded]}" cannot be taught: it has no vid'
    ):
        revision.teach(lessons)
