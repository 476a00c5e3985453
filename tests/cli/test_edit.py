"""``fewact info``, ``add``, ``rename``, ``move``, ``remove`` and ``undo`` on a taught model."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from fewact import FewShotClassifier, networks
from fewact.classifier.file import read_header
from fewact.classifier.info import model_info
from fewact.classifier.revision import change_model
from fewact.data import FeatureClip
from tests.cli.conftest import write_clip
from tests.lab.networks import tiny

Run = Callable[..., Any]


@pytest.fixture
def mine(model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may change."""
    return shutil.copytree(model, tmp_path / "mine")


def classes(model: Path) -> dict[str, int]:
    clips = FewShotClassifier.load(model).fitted_.clips
    return {label: sum(one.label == label for one in clips) for label in {c.label for c in clips}}


def test_a_model_is_changed_step_by_step_and_back(run: Run, mine: Path, tmp_path: Path) -> None:
    new = write_clip(tmp_path / "new.mp4", "turning", 5)
    first = (mine / "model.safetensors").read_bytes()
    ended = run("add", mine, "spinning", new)
    assert (ended.code, ended.err) == (0, "")
    assert 'New class "spinning"' in ended.out
    assert 'Added 1 clip to "spinning"' in ended.out
    assert f"fewact undo {mine}" in ended.out
    assert run("rename", mine, "spinning", "whirling").code == 0
    assert run("move", mine, "growing/1.mp4", "moving left").code == 0
    assert run("remove", mine, "whirling", "turning/2.mp4").code == 0
    assert classes(mine) == {"growing": 1, "moving left": 3, "turning": 1}
    listed = run("undo", mine, "--list").out
    for text in (
        "add to spinning",
        "rename spinning to whirling",
        "remove whirling, turning/2.mp4",
    ):
        assert text in listed
    for _ in range(4):
        assert run("undo", mine).code == 0
    assert (mine / "model.safetensors").read_bytes() == first
    ended = run("undo", mine)
    assert ended.code == 2
    assert "nothing to undo" in ended.err
    assert run("undo", mine, "--redo").out.startswith("Redone: add to spinning")


def test_a_change_of_many_clips_names_the_first_few(run: Run, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 8, 4)).astype(np.float32)
    clips = [FeatureClip(f"{i}.mp4", one, "ab"[i % 2]) for i, one in enumerate(vectors)]
    model = FewShotClassifier(method="protonet").fit(clips).save(tmp_path / "model")
    shown = "0.mp4, 1.mp4, 2.mp4, 3.mp4, 4.mp4 and 3 more"
    assert f"Removed {shown}.\n" in run("remove", model, *(f"{i}.mp4" for i in range(8))).out
    assert f"remove {shown}\n" in run("undo", model, "--list").out
    assert run("undo", model).out.startswith(f"Undone: remove {shown} (")


def test_names_of_clips_do_not_control_the_terminal(run: Run, mine: Path, tmp_path: Path) -> None:
    name = "bad\x1b[31m\n.mp4"
    new = write_clip(tmp_path / name, "turning", 5)
    shown = [run("add", mine, "turning", new)]
    shown += [run("add", mine, "growing", shutil.copy(new, tmp_path / f"copy {name}"))]
    shown += [run("explain", mine, new, "-o", tmp_path / "why.html"), run("review", mine)]
    assert "equals the training clip turning/bad\\x1b[31m\\n.mp4" in shown[1].err
    assert "bad\\x1b[31m\\n.mp4: " in shown[2].out
    assert "bad\\x1b[31m\\n.mp4 are nearly the same" in shown[3].out
    shown += [run("move", mine, f"turning/{name}", "growing"), run("remove", mine, name)]
    shown += [run("undo", mine)]
    for one in shown:
        assert one.code == 0, one.err
        assert "\x1b" not in one.out + one.err
    for one in shown[-3:]:
        assert "bad\\x1b[31m\\n.mp4" in one.out


def test_a_line_break_in_a_name_does_not_break_the_line_of_an_error(
    run: Run, mine: Path, clips: Path, tmp_path: Path
) -> None:
    (broken := tmp_path / "bad\n.mp4").touch()
    ended = run("predict", mine, broken, clips / "turning" / "1.mp4")
    assert ended.code == 3
    assert any(
        line.startswith(f"Skipped: {tmp_path}/bad\\n.mp4: ") for line in ended.err.splitlines()
    )


def test_info_lists_classes_clips_and_origin(run: Run, mine: Path) -> None:
    ended = run("info", mine, "--clips")
    assert ended.code == 0
    for text in ("growing", "turning/2.mp4", "Held-out accuracy: ", "Method: protonet", "of 6"):
        assert text in ended.out
    found = json.loads(run("info", mine, "--format", "json").out)
    assert found["classes"] == {"growing": 2, "moving left": 2, "turning": 2}
    assert found["clips"][0]["title"] == "growing/1.mp4"
    assert found["versions"] == 0


def test_the_model_may_be_in_the_home_folder(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(mine.parent))
    assert model_info(f"~/{mine.name}").classes == model_info(mine).classes


CORRECTIONS = [
    ("rename", "growing", "rising"),
    ("move", "growing/1.mp4", "turning"),
    ("remove", "turning", "growing/1.mp4"),
]


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda one: one[0])
def test_corrections_need_no_network(
    run: Run, mine: Path, monkeypatch: pytest.MonkeyPatch, correction: tuple[str, ...]
) -> None:
    """The model is the same to the last bit as if its network had been built."""
    command, *arguments = correction
    licence = (mine / "README.md").read_text().partition("their licence is ")[2].splitlines()[0]
    with change_model(mine, "x") as classifier:
        if command == "rename":
            classifier.rename_class(*arguments)
        elif command == "move":
            classifier.move_clip(*arguments)
        else:
            classifier.remove_clips([arguments[1]]).remove_class(arguments[0])
    expected = read_header(mine)
    assert run("undo", mine).code == 0

    def create(*_: Any, **__: Any) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(networks, "create", create)
    ended = run(command, mine, *arguments)
    assert (ended.code, ended.err) == (0, "")
    assert read_header(mine).is_of_same_model(expected)
    (mine / "README.md").unlink()
    assert run("undo", mine).code == 0
    assert f"their licence is {licence}" in (mine / "README.md").read_text()


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda one: one[0])
def test_corrections_have_only_the_options_that_they_use(
    run: Run, mine: Path, correction: tuple[str, ...]
) -> None:
    command, *arguments = correction
    shown = run(command, "--help").out
    # `info --clips` numbers the clips that can be moved and removed.
    more = "--weights" if command == "rename" else "--clips"
    options = {"--import", "--help", more}
    assert set(re.findall(r"--[a-z-]+", shown)) == options
    ended = run(command, mine, *arguments, "--device", "cpu")
    assert (ended.code, "No such option: --device" in ended.err) == (2, True)


@pytest.mark.parametrize("command", ["review", "report"])
def test_what_reads_stored_features_needs_no_network(
    run: Run, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def create(*_: Any, **__: Any) -> None:
        raise AssertionError("a network was built")

    output = ["-o", tmp_path / "report.md"] if command == "report" else []
    monkeypatch.setattr(networks, "create", create)
    ended = run(command, mine, *output)
    assert (ended.code, ended.err) == (0, "")
    shown = run(command, "--help").out
    assert not set(re.findall(r"--[a-z-]+", shown)) & {"--weights", "--device", "--engine"}
    assert "--import" in shown


@pytest.mark.slow
def test_a_model_is_corrected_although_its_weights_have_moved(
    run: Run, mine: Path, clips: Path, tmp_path: Path
) -> None:
    """Only the new name of a model with class names is embedded by them."""
    pytest.importorskip("transformers", reason="the extra hf is not installed")
    weights = tmp_path / "clip"
    tiny.save("clip-vit", weights)
    options = ["--backbone", "clip-vit", "--weights", f"local-dir:{weights}", "--engine", "torch"]
    options += ["--method", "protonet", "--option", "frames=2", "--precision", "float32"]
    for text in ("off", "on"):
        assert run("teach", clips, "-o", tmp_path / text, *options, "--text", text).code == 0
    weights.rename(tmp_path / "moved")
    assert run("rename", tmp_path / "off", "growing", "rising").code == 0
    assert run("move", tmp_path / "on", "growing/1.mp4", "turning").code == 0
    before = (tmp_path / "on" / "model.safetensors").read_bytes()
    ended = run("rename", tmp_path / "on", "growing", "rising")
    assert (ended.code, "cannot be built" in ended.err) == (2, True)
    assert "--weights" in ended.err
    assert (tmp_path / "on" / "model.safetensors").read_bytes() == before
    moved = f"local-dir:{tmp_path / 'moved'}"
    assert run("rename", tmp_path / "on", "growing", "rising", "--weights", moved).code == 0
    assert "rising" in FewShotClassifier.load(tmp_path / "on").classes_
    given = ("import", tmp_path / "off" / "model.safetensors", tmp_path / "new")
    ended = run(*given)
    assert (ended.code, "cannot be built" in ended.err) == (2, True)
    assert not (tmp_path / "new").exists()
    assert run(*given, "--weights", moved).code == 0
    wrong = shutil.copytree(tmp_path / "moved", tmp_path / "wrong")
    tensors = load_file(wrong / "model.safetensors")
    save_file({name: 2 * value for name, value in tensors.items()}, wrong / "model.safetensors")
    ended = run("rename", tmp_path / "off", "rising", "x", "--weights", f"local-dir:{wrong}")
    assert (ended.code, "the model needs another backbone" in ended.err) == (2, True)


def test_a_model_whose_file_is_gone_is_no_sound_model(run: Run, mine: Path) -> None:
    assert run("rename", mine, "growing", "rising").code == 0
    file = mine / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert run("info", mine).code == 2
    file.unlink()
    ended = run("info", mine)
    assert (ended.code, "fewact undo" in ended.err) == (2, True)
    assert run("undo", mine).code == 0
    assert set(classes(mine)) == {"growing", "moving left", "turning"}


def test_an_added_clip_of_a_known_name_gets_a_number(run: Run, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "phone").mkdir()
    new = write_clip(tmp_path / "phone" / "1.mp4", "growing", 7)
    for _ in range(2):
        ended = run("add", mine, "growing", new)
    assert ended.code == 2  # the second time it is known, although its name differs
    assert "the clip is a training clip already" in ended.err
    names = [
        one.name for one in FewShotClassifier.load(mine).fitted_.clips if one.label == "growing"
    ]
    assert sorted(names) == ["growing/1 (2).mp4", *(f"growing/{n}.mp4" for n in (1, 2))]
    assert run("move", mine, "growing/1.mp4", "turning").code == 0


def test_a_typo_is_refused_and_changes_nothing(run: Run, mine: Path, tmp_path: Path) -> None:
    before = (mine / "model.safetensors").read_bytes()
    for arguments, message in [
        (("rename", mine, "growin", "x"), 'Did you mean "growing"?'),
        (("remove", mine, "turning/3.mp4"), "no class or training clip has this name"),
        (("remove", mine, "1" * 5000), "no class or training clip has this name"),
        (("move", mine, "1" * 5000, "turning"), "no training clip has this name"),
        (("remove", mine, "whirling", "turning", "whirling "), "whirling: named twice"),
        (("remove", mine, "1", "1"), "1: named twice"),
        (("move", mine, "1.mp4", "growing"), "3 training clips have this name"),
        (("add", mine, "growing", tmp_path / "nowhere.mp4"), "no clips found"),
        (("info", tmp_path / "nowhere"), "no such folder"),
        (("undo", tmp_path / "nowhere"), "no such folder"),
    ]:
        ended = run(*arguments)
        assert (ended.code, ended.out) == (2, ""), arguments
        assert message in ended.err
    assert (mine / "model.safetensors").read_bytes() == before


def test_a_file_that_does_not_exist_is_skipped(run: Run, mine: Path, tmp_path: Path) -> None:
    new = write_clip(tmp_path / "new.mp4", "turning", 5)
    ended = run("add", mine, "turning", tmp_path / "nofile.mp4", new)
    assert ended.code == 3
    assert 'Added 1 clip to "turning"' in ended.out
    assert "nofile.mp4: there is no such file" in ended.err
    assert classes(mine)["turning"] == 3


def test_names_that_differ_in_spaces_or_capitals(run: Run, mine: Path, tmp_path: Path) -> None:
    new = [write_clip(tmp_path / f"{i}.mp4", "turning", i) for i in (5, 6)]
    (tmp_path / "IMG_1.jpg").touch()
    ended = run("add", mine, "turning ", new[0])
    assert 'Added 1 clip to "turning".' in ended.out
    assert "New class" not in ended.out
    ended = run("add", mine, " Turning", tmp_path / "6.mp4")
    assert 'New class "Turning". Did you mean "turning"?' in ended.out
    assert run("rename", mine, "Turning ", " whirling ").out.startswith(
        'Renamed "Turning " to "whirling".'
    )
    assert classes(mine) == {"growing": 2, "moving left": 2, "turning": 3, "whirling": 1}
    assert run("remove", mine, "whirling ").code == 0
    assert set(classes(mine)) == {"growing", "moving left", "turning"}
    assert "not a class name" in run("add", mine, "  ", new[0]).err


def test_a_photo_does_not_hide_the_videos_of_its_folder(
    run: Run, mine: Path, tmp_path: Path
) -> None:
    write_clip(tmp_path / "phone" / "1.mp4", "turning", 5)
    (tmp_path / "phone" / "IMG_2034.jpg").touch()
    for name in ("turning", "none"):
        ended = run("add", mine, name, tmp_path / "phone")
        assert f'Added 1 clip to "{name}"' in ended.out
        assert ended.err.count("phone/IMG_2034.jpg") == 1
    ended = run("add", mine, "turning", "")
    assert (ended.code, "not a path (got '')" in ended.err) == (2, True)


def test_classes_that_are_integers_are_named_by_their_numbers(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    folders = {number: clips / name for number, name in enumerate(("growing", "turning"), start=7)}
    model = FewShotClassifier(method="pixels").fit(folders).save(tmp_path / "numbers")
    ended = run("add", model, "7", write_clip(tmp_path / "new.mp4", "growing", 5))
    assert 'Added 1 clip to "7"' in ended.out
    assert run("add", model, "9", write_clip(tmp_path / "9.mp4", "moving left", 5)).code == 0
    assert run("remove", model, "9").code == 0
    assert tuple(FewShotClassifier.load(model).classes_) == (7, 8)


def test_teaching_over_a_model_can_be_undone(run: Run, mine: Path, clips: Path) -> None:
    before = (mine / "model.safetensors").read_bytes()
    assert run("teach", clips, "-o", mine, "--overwrite", "--method", "pixels").code == 0
    assert (mine / "model.safetensors").read_bytes() != before
    assert run("undo", mine).out.startswith("Undone: taught again")
    assert (mine / "model.safetensors").read_bytes() == before


def test_folders_in_a_folder_of_clips_of_no_class_are_groups(
    run: Run, mine: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("anna/1.mp4", "anna/2.mp4", "ben/1.mp4")):
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "other" / name, "turning", 10 + number)
    ended = run("add", mine, "none", tmp_path / "other")
    assert (ended.code, ended.err) == (0, "")
    assert 'Added 3 clips to "none"' in ended.out
    assert 'None of these: at most 25 % of other clips like the 3 in "none"' in ended.out
    found = FewShotClassifier.load(mine)
    assert sorted(clip.group or "" for clip in found.fitted_.none_clips) == ["anna", "anna", "ben"]
    assert sorted(found.fitted_.open_set.none_groups) == [1, 2]
    ended = run("add", mine, "none", write_clip(tmp_path / "loose.mp4", "growing", 9))
    assert '1 of 4 clips in "none" has no group; move it' in ended.out
    promised = json.loads(run("info", mine, "--format", "json").out)["none_of_these"]
    assert "\n".join(promised) in run("info", mine).out
    assert any('1 of 4 clips in "none" has no group; move it' in line for line in promised)
