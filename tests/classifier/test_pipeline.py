"""The backbone and the method that a user chooses."""

from pathlib import Path

import pytest

from fewact import FewShotClassifier, methods
from fewact.core.errors import DataError, OptionError
from tests.classifier.features import NEW, TRAINING, T, videos_of


def test_one_classifier_can_be_fitted_to_features_then_to_videos(actions: Path) -> None:
    classifier = FewShotClassifier(method="protonet", device="cpu").fit(TRAINING)
    with pytest.raises(DataError):
        classifier.fit(TRAINING[:1])
    with pytest.raises(DataError):
        classifier.fit([*TRAINING, *videos_of(actions)])
    expected = classifier.predict(NEW)
    classifier.fit([clip for clip in videos_of(actions) if clip.path.stem == "clip 0"])
    assert tuple(classifier.classes_) == ("down", "left", "right")
    with pytest.raises(DataError):
        classifier.predict(NEW)
    assert classifier.fit(TRAINING).predict(NEW) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "pixels"}, r"pixels:5.*vectors:5"),
        ({"method": methods.create("fusion")}, "maps"),
        ({"method": methods.create("a2m2", frames=T, moments={"level": "middle"})}, r"middle:5"),
        ({"method": "clip_fsar"}, "class names"),
        ({"method": "trx"}, "trx.*without random weights.*fewact train"),
        (
            {"method": methods.create("a2m2", preset="paper", moments={"in_channels": 5})},
            "not trained.*a2m2",
        ),
        ({"backbone": "resnet50"}, "need no backbone.*resnet50"),
        ({"precision": "bfloat16"}, "need no backbone.*bfloat16"),
    ],
)
def test_methods_and_backbones_that_need_more_than_features_are_refused(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        FewShotClassifier(**given).fit(TRAINING)  # type: ignore[arg-type]
