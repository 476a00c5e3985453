"""Reports of models: self-contained, and safe with hostile names."""

import re
from pathlib import Path

import numpy as np

from fewact import FewShotClassifier
from fewact.classifier.info import ModelInfo, model_info
from fewact.classifier.names import Example
from fewact.classifier.review import Advice, ConfusedClasses, Duplicate, Review, Suspect, review
from fewact.data import FeatureClip
from fewact.report.document import Page
from fewact.report.model_page import model_page
from tests.report.test_explanation import HOSTILE, Reader, check_hostile_name_is_text

JPEG = b"\xff\xd8jpeg"


def of_model(name: str) -> Page:
    found = ModelInfo(
        folder=f"/models/{name.replace('/', '')}",
        classes={name: 2, "(none)": 1},
        clips=(Example(name, name), Example("b", name), Example("c", "none")),
        right=1,
        held_out=2,
        accuracy=50.0,
        interval=(10, 95),
        in_short="1 of 2 were recognised.",
        held_out_accuracy=("1 of 2",),
        temperature=1.5,
        calibrated=True,
        none_of_these=("every clip gets a class",),
        method="fusion",
        options={name: name},
        backbone=name,
        weights=name,
        precision="float32",
        thumbnails=True,
        versions=0,
        bytes=1,
        fewact=name,
    )
    review = Review(
        (name, "other"),
        *(1, 2, 2, 2, 2),
        (ConfusedClasses(name, "other", (name,), 2, "motion", {}),),
        (Suspect(name, 1, name, name, 1.0, True),),
        (Duplicate((name, name), (name, name)),),
        {},
        (Advice("record", name, f"Record another {name}."),),
    )
    return model_page(found, review, {name: [(name, JPEG)]})


def test_hostile_names_are_text() -> None:
    check_hostile_name_is_text(of_model(HOSTILE))


def test_a_page_of_a_model_says_what_is_in_it() -> None:
    page = of_model("wave")
    found = Reader(page.html())
    assert found.tags.count("img") == 1
    assert found.tags.count("svg") == 1
    assert ("class", "for") in found.attributes
    assert ("width", "160") in found.attributes  # 50 % of the bar
    text = page.markdown()
    for shown in (found.shown, text.replace("\\", "")):
        for words in ("1 of 2; 10 to 95 % with other clips", "Record another wave.", "motion"):
            assert words in shown
    assert text.startswith("# wave\n")
    assert re.search(r"\| wave +\| 2 +\|", text)
    assert "base64" not in text


def test_a_page_of_a_model_with_a_clip_of_each_class_claims_no_accuracy(
    tmp_path: Path,
) -> None:
    draw = np.random.default_rng(0)
    clips = {
        name: [FeatureClip(name, draw.normal(size=(4, 16)).astype(np.float32))] for name in "ab"
    }
    classifier = FewShotClassifier(method="protonet").fit(clips)
    found = model_info(classifier.save(tmp_path / "model"))
    text = model_page(found, review(classifier), {}).markdown()
    assert "No training clip was held out." in text
    assert "was predicted by" not in text
    assert "0 of 0" not in text
    assert "No class is mistaken" not in text
