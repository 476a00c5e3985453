"""Corrections of what a classifier has learned: no video is read."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fewact.classifier import FewShotClassifier
from fewact.core.errors import DataError
from fewact.data import FeatureClip, list_clips
from fewact.networks import Backbone


def test_a_corrected_classifier_equals_one_taught_with_the_right_labels(
    taught: FewShotClassifier, backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    expected = taught.predict(queries.values())
    clips = list_clips(actions)
    labels = [str(clip.label) for clip in clips]
    labels[0] = "right" if labels[0] != "right" else "left"
    wrong = FewShotClassifier(backbone, "pixels").fit([clip.path for clip in clips], labels)
    assert wrong.predict(queries.values()) != expected
    name = f"{clips[0].path.parent.name}/{clips[0].path.name}"
    wrong.move_clip(name, str(clips[0].label))
    assert wrong.predict(queries.values()) == expected
    assert wrong.fitted_.calibration == taught.fitted_.calibration


def test_a_renamed_class_keeps_its_clips(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    before = taught.predict(queries["left"])
    taught.rename_class("left", "a wink")
    after = taught.predict(queries["left"])
    assert tuple(taught.classes_) == ("a wink", "down", "right")
    assert after.label == "a wink"
    assert after.probability == pytest.approx(before.probability)
    assert [clip.name for clip in taught.fitted_.clips[:3]] == [
        f"left/clip {i}.mp4" for i in range(3)
    ]


def test_removing_clips_equals_fitting_without_them(
    taught: FewShotClassifier, backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    number = 1 + [clip.title for clip in taught.fitted_.all_clips].index("right/clip 2.mp4")
    taught.remove_clips(["down/clip 1.mp4", number])
    left = [
        clip
        for clip in list_clips(actions)
        if (clip.label, clip.path.stem) not in {("down", "clip 1"), ("right", "clip 2")}
    ]
    again = FewShotClassifier(backbone, "pixels").fit(left)
    assert taught.predict(queries.values()) == again.predict(queries.values())


Change = Callable[[FewShotClassifier], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.rename_class("left", "right"), "the name is taken.*move the clips"),
        (lambda one: one.rename_class("left", "none"), "reserved"),
        (lambda one: one.rename_class("lefd", "x"), 'unknown class.*Did you mean "left"'),
        (lambda one: one.move_clip("left/clip 0.mp4", "left"), "has this label already"),
        (lambda one: one.move_clip("clip 0.mp4", "left"), "3 training clips have this name.*1: "),
        (lambda one: one.move_clip("left/clip 9.mp4", "down"), "no training clip has this name"),
        (lambda one: one.remove_clips([0]), "no clip has this number.*1 to 9"),
        (
            lambda one: one.remove_clips(one.fitted_.clips[0]),
            "not a training clip.*its title or number",
        ),
        (
            lambda one: one.move_clip(one.fitted_.clips[0], "left"),
            "not a training clip.*title or number",
        ),
        (lambda one: one.remove_clips(None), "not a training clip .got None"),
        (lambda one: one.remove_clips(True), "not a training clip .got True"),
        (
            lambda one: one.remove_clips([f"left/clip {i}.mp4" for i in range(3)]),
            "would have no clips left.*'left'",
        ),
    ],
)
def test_an_impossible_correction_changes_nothing(
    taught: FewShotClassifier, queries: dict[str, Path], change: Change, message: str
) -> None:
    before = taught.predict(queries.values())
    with pytest.raises(DataError, match=message):
        change(taught)
    assert taught.predict(queries.values()) == before


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_form_of_an_accent_does_not_matter(
    quick: FewShotClassifier, actions: Path, tmp_path: Path, form: Literal["NFC", "NFD"]
) -> None:
    """A file system may keep accents as separate characters, and a keyboard types them joined."""
    folder = shutil.copytree(actions, tmp_path / "actions")
    other: Literal["NFC", "NFD"] = "NFC" if form == "NFD" else "NFD"
    typed, named = (unicodedata.normalize(one, "café") for one in (other, form))
    for i in range(3):
        (folder / "left" / f"clip {i}.mp4").rename(folder / "left" / f"{named}{i}.mp4")
    (folder / "left").rename(folder / named)
    quick.fit(folder).remove_clips(f"{typed}/{typed}0.mp4").move_clip(f"{typed}1.mp4", "right")
    assert len([clip for clip in quick.fitted_.clips if clip.label == "café"]) == 1


def test_names_that_differ_in_the_form_of_an_accent_are_exact() -> None:
    names = [unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD")]
    vectors = np.random.default_rng(0).normal(size=(4, 2, 4))
    clips = [FeatureClip(name, v) for name, v in zip([*names, "a", "b"], vectors, strict=True)]
    for name, other in (names, names[::-1]):
        classifier = FewShotClassifier(method="protonet").fit(clips, [*"aaab"])
        assert other in [clip.name for clip in classifier.remove_clips(name).fitted_.clips]
