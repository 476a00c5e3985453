"""Corrections of a model, and their history: everything can be undone, nothing is lost."""

import errno
import os
import shutil
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fewact.backbones import Backbone
from fewact.classifier import FewShotClassifier
from fewact.classifier.saved import history
from fewact.classifier.saved.change_model import change_model
from fewact.classifier.saved.config import CONFIG, STATE, VERSION
from fewact.core.errors import DataError, ModelError, OptionError, OutputError
from fewact.data import FeatureClip, list_clips


@pytest.fixture
def taught(quick: FewShotClassifier, actions: Path) -> FewShotClassifier:
    return quick.fit(actions)


@pytest.fixture
def model(taught: FewShotClassifier, tmp_path: Path) -> Path:
    return taught.save(tmp_path / "model")


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
    assert wrong.calibration_ == taught.calibration_


def test_a_renamed_class_keeps_its_clips(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    before = taught.predict(queries["left"])
    taught.rename_class("left", "a wink")
    after = taught.predict(queries["left"])
    assert tuple(taught.classes_) == ("a wink", "down", "right")
    assert after.label == "a wink"
    assert after.probability == pytest.approx(before.probability)
    assert [clip.name for clip in taught.clips_[:3]] == [f"left/clip {i}.mp4" for i in range(3)]


def test_removing_clips_equals_fitting_without_them(
    taught: FewShotClassifier, backbone: Backbone, actions: Path, queries: dict[str, Path]
) -> None:
    number = 1 + [clip.title for clip in taught.all_clips_].index("right/clip 2.mp4")
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
        (lambda one: one.remove_clips(one.clips_[0]), "not a training clip.*its title or number"),
        (lambda one: one.move_clip(one.clips_[0], "left"), "not a training clip.*title or number"),
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
    assert len([clip for clip in quick.clips_ if clip.label == "café"]) == 1


def test_names_that_differ_in_the_form_of_an_accent_are_exact() -> None:
    names = [unicodedata.normalize(form, "café.mp4") for form in ("NFC", "NFD")]
    vectors = np.random.default_rng(0).normal(size=(4, 2, 4))
    clips = [FeatureClip(name, v) for name, v in zip([*names, "a", "b"], vectors, strict=True)]
    for name, other in (names, names[::-1]):
        classifier = FewShotClassifier(method="protonet").fit(clips, [*"aaab"])
        assert other in [clip.name for clip in classifier.remove_clips(name).clips_]


def test_every_change_can_be_undone_and_redone(model: Path, actions: Path) -> None:
    contents = [(model / CONFIG).read_bytes()]
    changes: list[Change] = [
        lambda one: one.rename_class("left", "wink"),
        lambda one: one.move_clip("down/clip 0.mp4", "right"),
        lambda one: one.remove_clips(["right/clip 1.mp4"]),
        lambda one: one.remove_class("right"),
    ]
    for i, change in enumerate(changes):
        with change_model(model, f"change {i}") as classifier:
            change(classifier)
        contents.append((model / CONFIG).read_bytes())
    assert [one.change.change for one in history.versions(model)] == [
        f"change {i}" for i in (3, 2, 1, 0)
    ]
    for i in (3, 2, 1, 0):
        assert history.undo(model).change.change == f"change {i}"
        assert (model / CONFIG).read_bytes() == contents[i]
        assert len(FewShotClassifier.load(model).classes_) > 0
    with pytest.raises(ModelError, match="nothing to undo"):
        history.undo(model)
    for i in range(4):
        assert history.redo(model).change.change == f"change {i}"
        assert (model / CONFIG).read_bytes() == contents[i + 1]
    with pytest.raises(ModelError, match="nothing to redo"):
        history.redo(model)
    history.undo(model)
    with change_model(model, "another") as classifier:
        classifier.rename_class("right", "east")
    with pytest.raises(ModelError, match="nothing to redo"):
        history.redo(model)


def test_a_former_version_takes_no_space_of_its_own_until_the_model_is_replaced(
    model: Path, taught: FewShotClassifier
) -> None:
    before = (model / STATE).stat().st_ino
    taught.rename_class("left", "wink").save(model, change="rename")
    (version,) = history.versions(model)
    assert (version.folder / STATE).stat().st_ino == before
    assert not (version.folder / STATE).samefile(model / STATE)


def test_a_failed_change_leaves_model_and_history_alone(model: Path) -> None:
    before = (model / CONFIG).read_bytes()

    def change() -> None:
        with change_model(model, "nothing") as classifier:
            classifier.remove_class("left")
            classifier.remove_class("no such class")

    with pytest.raises(DataError):
        change()
    assert (model / CONFIG).read_bytes() == before
    assert not history.versions(model)


def test_a_crash_after_keeping_a_version_is_skipped_by_undo(
    model: Path, taught: FewShotClassifier
) -> None:
    first = (model / CONFIG).read_bytes()
    taught.rename_class("left", "wink").save(model, change="rename")
    with pytest.raises(RuntimeError), history.keeping(model, "killed before the replacement", b""):
        raise RuntimeError
    assert [one.change.change for one in history.versions(model)] == ["rename"]
    history.undo(model)
    assert (model / CONFIG).read_bytes() == first


def test_saving_an_unchanged_model_keeps_its_former_versions(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_VERSIONS", 3)
    taught.rename_class("left", "wink").save(model, change="rename")
    history.undo(model)
    for _ in range(5):
        FewShotClassifier.load(model).save(model)
    history.redo(model)
    for _ in range(5):
        taught.save(model)
    assert [one.change.change for one in history.versions(model)] == ["rename"]


def test_a_full_disk_keeps_former_versions_and_what_was_undone(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(history, "MAX_VERSIONS", 3)
    for name in ("west", "out"):
        taught.rename_class(taught.classes_[1], name).save(model, change=name)
    history.undo(model)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for i in range(5):
            taught.rename_class(taught.classes_[0], f"a{i}")
            with pytest.raises(OutputError, match="no space left"):
                taught.save(model)
    assert [one.change.change for one in history.versions(model)] == ["west"]
    history.redo(model)
    assert "out" in FewShotClassifier.load(model).classes_


@pytest.mark.parametrize("file", [CONFIG, STATE])
def test_a_damaged_model_names_undo_if_that_would_help(model: Path, file: str) -> None:
    def refusal() -> str:
        with pytest.raises(ModelError) as refused:
            FewShotClassifier.load(model)
        return refused.value.hint

    FewShotClassifier.load(model).rename_class("left", "hand").save(model)
    (model / file).write_bytes(b"{}")
    assert refusal() == f"Restore the version before: fewact undo {model}"
    (version,) = history.versions(model)
    kept = (version.folder / STATE).read_bytes()
    (version.folder / STATE).write_bytes(b"{}")
    assert "undo" not in refusal()
    (version.folder / STATE).write_bytes(kept)
    history.undo(model)
    assert "left" in FewShotClassifier.load(model).classes_
    (model / file).write_bytes(b"{}")
    assert "undo" not in refusal()


def test_history_is_bounded_and_keeps_the_latest(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_VERSIONS", 3)
    for i in range(5):
        taught.rename_class(taught.classes_[0], f"a{i}").save(model, change=f"{i}")
    assert [one.change.change for one in history.versions(model)] == ["4", "3", "2"]
    monkeypatch.setattr(history, "MAX_BYTES", 1)
    taught.rename_class(taught.classes_[0], "b").save(model, change="last")
    assert [one.change.change for one in history.versions(model)] == ["last"]


@pytest.mark.parametrize("removes", ["undo", "replace what was undone", "limit", "replace equal"])
def test_a_kill_while_a_version_is_removed_leaves_no_part_of_it(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch, removes: str
) -> None:
    original = shutil.rmtree

    def killed(folder: Path, ignore_errors: bool = False) -> None:
        if found := list(folder.rglob(history.CHANGE)):
            found[0].unlink()
            found[0].with_name(CONFIG).unlink()
            raise KeyboardInterrupt
        original(folder, ignore_errors=ignore_errors)

    taught.rename_class("left", "a").save(model, change="first")
    if removes == "replace what was undone":
        history.undo(model)
    elif removes == "replace equal":
        with pytest.raises(RuntimeError), history.keeping(model, "killed", b""):
            raise RuntimeError
    elif removes == "limit":
        monkeypatch.setattr(history, "MAX_VERSIONS", 1)
    change = history.undo if removes == "undo" else taught.rename_class("right", "b").save
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            change(model)
    assert history.UNKNOWN not in [one.change for one in history.versions(model)]
    if removes == "replace what was undone":
        with pytest.raises(ModelError, match="nothing to redo"):
            history.redo(model)
    taught.rename_class("down", "c").save(model, change="third")
    assert not [one.name for one in (model / "history").iterdir() if one.name[0] == "."]


def test_a_former_version_of_a_newer_fewact_is_not_called_damaged(
    model: Path, taught: FewShotClassifier
) -> None:
    """Its removal is not proposed: it may be in order."""
    taught.rename_class("left", "wink").save(model, change="rename")
    config = history.versions(model)[0].folder / CONFIG
    text = config.read_text().replace(f'"version": {VERSION}', f'"version": {VERSION + 1}')
    config.unlink()  # a hard link
    config.write_text(text)
    with pytest.raises(ModelError, match=r"newer version of fewact.*Upgrade fewact") as caught:
        history.undo(model)
    assert "Remove" not in str(caught.value)
    assert "wink" in FewShotClassifier.load(model).classes_


@pytest.mark.parametrize("text", ["x" * 70_000, "я" * 70_000, "🙂" * 70_000, "caf\udce9"])
def test_any_text_of_a_change_can_be_read_again(
    model: Path, taught: FewShotClassifier, text: str
) -> None:
    taught.rename_class("left", "wink").save(model, change=text)
    (version,) = history.versions(model)
    assert version.change.change[:3] == text[:3]
    history.undo(model)
    assert history.redo(model).change == version.change


def test_a_change_that_is_no_text_is_refused(model: Path, taught: FewShotClassifier) -> None:
    with pytest.raises(OptionError, match=r"change: not a text .got 3"):
        taught.save(model, change=3)  # type: ignore[arg-type]


def test_a_description_that_cannot_be_read_hides_no_version(
    model: Path, taught: FewShotClassifier
) -> None:
    for i in range(3):
        taught.rename_class(taught.classes_[0], f"a{i}").save(model, change=f"{i}")
    (history.versions(model)[1].folder / history.CHANGE).write_text("x" * 70_000)
    changes = [one.change.change for one in history.versions(model)]
    assert changes == ["2", "unknown change", "0"]
    for change in changes:
        assert history.undo(model).change.change == change


def test_two_editors_lose_no_change(model: Path) -> None:
    inside, names = threading.Barrier(2, timeout=60), ("first", "second")

    def rename(old: str, new: str) -> None:
        inside.wait()
        with change_model(model, new) as classifier:
            classifier.rename_class(old, new)

    threads = [
        threading.Thread(target=rename, args=pair)
        for pair in zip(("left", "right"), names, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) < set(FewShotClassifier.load(model).classes_)


def test_files_of_the_user_and_a_copied_model_survive(model: Path, tmp_path: Path) -> None:
    (model / "notes.txt").write_text("mine")
    with change_model(model, "rename") as classifier:
        classifier.rename_class("left", "wink")
    copy = shutil.copytree(model, tmp_path / "copy")
    history.undo(copy)
    assert (copy / "notes.txt").read_text() == "mine"
    assert tuple(FewShotClassifier.load(copy).classes_) == ("down", "left", "right")
    assert "wink" in FewShotClassifier.load(model).classes_
