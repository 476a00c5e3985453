"""The folder of a model and its history: everything can be undone, nothing is lost."""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.classifier import FewShotClassifier, history
from fewact.classifier.file import MODEL, MODEL_VERSION, copy_model, load
from fewact.classifier.revision import change_model
from fewact.core.bounded import FileType
from fewact.core.errors import DataError, ModelError, OptionError, OutputError
from tests.classifier.models import content_of, edit

Change = Callable[[FewShotClassifier], object]


def test_every_change_can_be_undone_and_redone(model: Path, actions: Path) -> None:
    contents = [(model / MODEL).read_bytes()]
    changes: list[Change] = [
        lambda one: one.rename_class("left", "wink"),
        lambda one: one.move_clip("down/clip 0.mp4", "right"),
        lambda one: one.remove_clips(["right/clip 1.mp4"]),
        lambda one: one.remove_class("right"),
    ]
    for i, change in enumerate(changes):
        with change_model(model, f"change {i}") as classifier:
            change(classifier)
        contents.append((model / MODEL).read_bytes())
    assert [version.change for version in history.versions(model)] == [
        f"change {i}" for i in (3, 2, 1, 0)
    ]
    for i in (3, 2, 1, 0):
        assert history.undo(model).change == f"change {i}"
        assert (model / MODEL).read_bytes() == contents[i]
        assert len(FewShotClassifier.load(model).classes_) > 0
    with pytest.raises(ModelError):
        history.undo(model)
    for i in range(4):
        assert history.redo(model).change == f"change {i}"
        assert (model / MODEL).read_bytes() == contents[i + 1]
    with pytest.raises(ModelError):
        history.redo(model)
    history.undo(model)
    with change_model(model, "another") as classifier:
        classifier.rename_class("right", "east")
    with pytest.raises(ModelError):
        history.redo(model)


def test_a_former_version_takes_no_space_of_its_own_until_the_model_is_replaced(
    model: Path, taught: FewShotClassifier
) -> None:
    before = (model / MODEL).stat().st_ino
    taught.rename_class("left", "wink").save(model, change="rename")
    (version,) = history.versions(model)
    assert version.file.stat().st_ino == before
    assert not version.file.samefile(model / MODEL)


def test_a_failed_change_leaves_model_and_history_alone(model: Path) -> None:
    before = (model / MODEL).read_bytes()

    def change() -> None:
        with change_model(model, "nothing") as classifier:
            classifier.remove_class("left")
            classifier.remove_class("no such class")

    with pytest.raises(DataError):
        change()
    assert (model / MODEL).read_bytes() == before
    assert not history.versions(model)


def test_a_crash_after_keeping_a_version_is_skipped_by_undo(
    model: Path, taught: FewShotClassifier
) -> None:
    first = (model / MODEL).read_bytes()
    taught.rename_class("left", "wink").save(model, change="rename")
    history._keep(model / MODEL, model / history.HISTORY)  # and killed before the replacement
    assert [version.change for version in history.versions(model)] == ["rename"]
    history.undo(model)
    assert (model / MODEL).read_bytes() == first


def test_saving_an_unchanged_model_keeps_its_former_versions(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    taught.rename_class("left", "wink").save(model, change="rename")
    history.undo(model)
    for _ in range(5):
        FewShotClassifier.load(model).save(model)
    history.redo(model)
    for _ in range(5):
        taught.save(model)
    assert [version.change for version in history.versions(model)] == ["rename"]


def test_a_full_disk_keeps_former_versions_and_what_was_undone(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    for name in ("west", "out"):
        taught.rename_class(taught.classes_[1], name).save(model, change=name)
    history.undo(model)
    new = model.parent / "new" / "model"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for i in range(5):
            taught.rename_class(taught.classes_[0], f"a{i}")
            for folder in (model, new):
                with pytest.raises(OutputError):
                    taught.save(folder)
        assert not new.parent.exists()  # no empty folder is left
    assert [version.change for version in history.versions(model)] == ["west"]
    history.redo(model)
    assert "out" in FewShotClassifier.load(model).classes_


@pytest.mark.parametrize("gone", [False, True])
def test_a_damaged_model_names_undo_if_that_would_help(model: Path, gone: bool) -> None:
    def refusal() -> str:
        with pytest.raises(ModelError) as refused:
            FewShotClassifier.load(model)
        return refused.value.hint

    def damage() -> None:
        (model / MODEL).unlink()
        if not gone:
            (model / MODEL).write_bytes(b"{}")

    FewShotClassifier.load(model).rename_class("left", "hand").save(model)
    damage()
    assert refusal() == f"Restore the version before: fewact undo {model}"
    (version,) = history.versions(model)
    content = version.file.read_bytes()
    version.file.write_bytes(b"{}")
    assert "undo" not in refusal()
    version.file.write_bytes(content)
    history.undo(model)
    assert "left" in FewShotClassifier.load(model).classes_
    damage()
    assert "undo" not in refusal()


def test_history_is_bounded_and_keeps_the_latest(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    for i in range(5):
        taught.rename_class(taught.classes_[0], f"a{i}").save(model, change=f"{i}")
    assert [version.change for version in history.versions(model)] == ["4", "3", "2"]
    monkeypatch.setattr(history, "MOST_VERSION_BYTES", 1)
    taught.rename_class(taught.classes_[0], "b").save(model, change="last")
    assert [version.change for version in history.versions(model)] == ["last"]


@pytest.mark.parametrize("call", ["link", "replace", pytest.param("fsync", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "change", ["save", *(pytest.param(how, marks=pytest.mark.slow) for how in ("undo", "redo"))]
)
def test_a_kill_at_any_call_loses_nothing(
    model: Path, taught: FewShotClassifier, monkeypatch: pytest.MonkeyPatch, change: str, call: str
) -> None:
    """Before and after each call of the system the model and its versions are complete."""
    taught.rename_class("left", "a").save(model, change="first")
    taught.rename_class("down", "b").save(model, change="second")
    if change == "redo":
        history.undo(model)
    taught.rename_class("right", "c")
    run = {
        "save": lambda folder: taught.save(folder, change="third"),
        "undo": history.undo,
        "redo": history.redo,
    }[change]
    before = {*model_classes(model)}
    number, ended = 0, False
    while not ended:
        number += 1
        folder = model.with_name(f"killed {number}")
        shutil.copytree(model, folder)
        original, counter = getattr(os, call), itertools.count(1)

        def killed(
            *arguments: Any, original: Any = original, counter: Any = counter, at: int = number
        ) -> None:
            original(*arguments)
            if next(counter) == at:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, call, killed)
            try:
                run(folder)
                ended = True
            except KeyboardInterrupt:
                pass
        after = model_classes(folder)
        assert before <= after, f"lost after {call} {number}"
        FewShotClassifier.load(folder, lazy=True).rename_class(taught.classes_[0], "z").save(folder)
        assert not list(folder.rglob(".*.new"))


def model_classes(folder: Path) -> set[tuple[str, ...]]:
    """Return the classes of a model and of all its versions, each of which must be complete."""
    files = [folder / MODEL, *(folder / "history").rglob("*.safetensors")]
    return {load(file).examples.classes for file in files}


def test_a_former_version_of_a_newer_fewact_is_not_called_damaged(
    model: Path, taught: FewShotClassifier
) -> None:
    """Its removal is not proposed: it may be in order."""
    taught.rename_class("left", "wink").save(model, change="rename")
    edit(history.versions(model)[0].file, lambda content: content.update(version=MODEL_VERSION + 1))
    with pytest.raises(ModelError) as caught:
        history.undo(model)
    assert "Remove" not in str(caught.value)
    assert "wink" in FewShotClassifier.load(model).classes_


@pytest.mark.parametrize("text", ["x" * 70_000, "я" * 70_000, "🙂" * 70_000, "caf\udce9"])
def test_any_text_of_a_change_can_be_read_again(
    model: Path, taught: FewShotClassifier, text: str
) -> None:
    taught.rename_class("left", "wink").save(model, change=text)
    (version,) = history.versions(model)
    assert version.change[:3] == text[:3]
    history.undo(model)
    assert history.redo(model).change == version.change


def test_a_change_that_is_no_text_is_refused(model: Path, taught: FewShotClassifier) -> None:
    with pytest.raises(OptionError):
        taught.save(model, change=3)  # type: ignore[arg-type]


def test_a_version_that_cannot_be_read_hides_no_other(
    model: Path, taught: FewShotClassifier
) -> None:
    for i in range(3):
        taught.rename_class(taught.classes_[0], f"a{i}").save(model, change=f"{i}")
    history.versions(model)[1].file.write_bytes(b"x" * 70_000)
    assert [version.change for version in history.versions(model)] == ["2", "1", "unknown change"]
    assert history.undo(model).change == "2"
    with pytest.raises(ModelError):
        history.undo(model)
    history.versions(model)[0].file.unlink()
    assert history.undo(model).change == "1"


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


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_installed_copy_is_the_model(model: Path, tmp_path: Path) -> None:
    copy_model(model, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (model / MODEL).read_bytes()
    new = history.install(tmp_path / "a.safetensors", tmp_path / "new")
    (content, tensors), (expected, numbers) = content_of(new / MODEL), content_of(model / MODEL)
    assert content["change"] == "imported another model"
    for name in ("change", "sha256"):
        del content[name], expected[name]
    assert content == expected
    assert all(np.array_equal(tensors[name], value) for name, value in numbers.items())


def test_a_model_that_is_replaced_can_be_brought_back(model: Path, tmp_path: Path) -> None:
    other = FewShotClassifier.load(model).rename_class("left", "hello").save(tmp_path / "other")
    (other / "notes.txt").write_text("mine")
    history.install(model / MODEL, other)
    assert tuple(FewShotClassifier.load(other).classes_) == ("down", "left", "right")
    assert (other / "notes.txt").read_text() == "mine"
    history.undo(other)
    assert tuple(FewShotClassifier.load(other).classes_) == ("down", "hello", "right")


def test_a_large_file_that_is_no_model_is_refused_by_its_first_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_all(*_: object) -> bytes:
        raise AssertionError("all of the file was read")

    monkeypatch.setattr(FileType, "content", read_all)
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.truncate(5 << 30)  # takes no space on the disk
    with pytest.raises(ModelError):
        history.install(tmp_path / "a.safetensors", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_version_is_not_brought_back(model: Path) -> None:
    FewShotClassifier.load(model).rename_class("left", "hello").save(model)
    before = files_of(model)
    (version,) = history.versions(model)
    content = version.file.read_bytes()
    version.file.unlink()  # a hard link
    version.file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError):
        history.undo(model)
    # Zeros, which take no space on the disk, are refused by their size or their first bytes.
    for size, reason in ((9 << 30, "is too large"), (64 << 20, "not a saved classifier")):
        with version.file.open("wb") as file:
            file.truncate(size)
        with pytest.raises(ModelError, match=reason):
            history.undo(model)
    assert files_of(model) == before


def test_a_model_that_is_refused_replaces_nothing(model: Path, tmp_path: Path) -> None:
    mine = FewShotClassifier.load(model).rename_class("left", "hello").save(tmp_path / "mine")
    before = files_of(mine)

    def refuse(file: Path) -> None:
        assert file == model / MODEL
        raise ModelError("not this one")

    with pytest.raises(ModelError):
        history.install(model / MODEL, mine, refuse)
    (mine / "README.md").write_bytes(bytes(17 << 20))
    with pytest.raises(ModelError):
        history.install(model / MODEL, mine)
    (mine / "README.md").write_bytes(before["README.md"])
    assert files_of(mine) == before
    assert history.versions(mine) == []


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\x03\x04" + bytes(100)])
def test_other_files_are_not_installed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ModelError):
        history.install(tmp_path / "a.safetensors", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_place_that_cannot_be_made_is_an_error_of_the_output(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        history.install(model / MODEL, tmp_path / "file" / "below" / "model")
