"""``fewact test``, ``explain``, ``map`` and ``match`` on a taught model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact.classifier.calibration import wilson_interval
from fewact.video import EveryNth, read_frames, write_video
from tests.cli import features
from tests.cli.conftest import CLASSES, refused, write_clip

Run = Callable[..., Any]


def test_figures_are_those_of_the_predictions(
    run: Run, model: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    for action in CLASSES:
        write_clip(folder / action / "new.mp4", action, 7)
    wrong = folder / CLASSES[0] / "wrong.mp4"
    shutil.copy(clips / CLASSES[1] / "1.mp4", wrong)
    write_clip(folder / "none" / "x.mp4", CLASSES[2], 8)
    found = json.loads(run("test", model, folder, "--format", "json").out)
    predicted = json.loads(run("predict", model, folder, "--format", "json").out)["predictions"]
    answers = {one["path"]: one["label"] for one in predicted}
    right = sum(Path(path).parent.name == label for path, label in answers.items())
    assert (found["right"], found["clips"]) == (right, 4)
    assert tuple(found["interval"]) == wilson_interval(right, 4)
    assert found["labels"] == [*CLASSES, "(none)"]
    assert sum(map(sum, found["confusion"])) == 5
    mistaken = {one["path"]: one["predicted"] for one in found["mistakes"]}
    assert mistaken[str(wrong)] == answers[str(wrong)] == CLASSES[1]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "fewact test MODEL FOLDER" in run("predict", model, folder, "--quiet").err
    monkeypatch.undo()
    ended = run("test", model, folder)
    assert f"({right} of 4)" in ended.out
    assert "wrong.mp4" in ended.out
    table = run("test", model, folder, "--format", "csv").out.splitlines()
    assert table[0] == ",".join(["true", *CLASSES, "(none)"])
    assert len(table) == 5


def test_a_mistake_has_the_class_that_its_probability_is_of(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    folder, model = shutil.copytree(clips, tmp_path / "clips"), tmp_path / "model"
    shutil.copytree(clips / CLASSES[1], folder / "none")  # so that this class is answered (none)
    options = ["--method", "protonet", "--option", "frames=2", "--precision", "float32"]
    assert run("teach", folder, "-o", model, *options).code == 0
    found = json.loads(run("test", model, clips, "--format", "json").out)
    predicted = json.loads(run("predict", model, clips, "--format", "json").out)["predictions"]
    answers = {one["path"]: one for one in predicted}
    assert "(none)" in [one["predicted"] for one in found["mistakes"]]
    for one in found["mistakes"]:
        answer = answers[one["path"]]
        assert one["predicted"] == answer["label"]
        assert one["best"] == answer["best"]
        assert one["probability"] == answer["probabilities"][one["best"]]
    header = next(row for row in run("test", model, clips).out.splitlines() if "path" in row)
    assert header.split() == ["path", "true", "predicted", "best", "probability"]


def test_training_clips_and_unknown_classes_are_reported(
    run: Run, model: Path, clips: Path, tmp_path: Path
) -> None:
    ended = run("test", model, clips)
    assert ended.code == 0
    assert "with the name of a training clip of the model: 6," in ended.err
    folder = shutil.copytree(clips, tmp_path / "clips")
    (folder / "turning").rename(folder / "spinning")
    ended = run("test", model, folder)
    assert ended.code == 2
    assert "the model does not have these classes (got spinning)" in ended.err
    (folder / "spinning").rename(folder / "Turning_")
    ended = run("test", model, folder)
    assert '"Turning_" is spelt like the class "turning"' in ended.err


def test_training_clips_of_no_class_are_reported(run: Run, clips: Path, tmp_path: Path) -> None:
    folder, model = shutil.copytree(clips, tmp_path / "clips"), tmp_path / "model"
    for index in (1, 2):
        write_clip(folder / "none" / f"{index}.mp4", CLASSES[index], 4)
    options = ["--method", "protonet", "--option", "frames=2", "--precision", "float32"]
    assert run("teach", folder, "-o", model, *options).code == 0
    assert "with the name of a training clip of the model: 8," in run("test", model, folder).err
    other = folder / "none" / "1.mp4"  # a shorter clip of that name
    write_video(other, read_frames(other, EveryNth(1))[:-1], 4, overwrite=True)
    assert "with the name of a training clip of the model: 7," in run("test", model, folder).err


def test_explain_writes_one_page(run: Run, model: Path, clips: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    video = clips / "turning" / "1.mp4"
    ended = run("explain", model, video, "--clips", clips, "-o", page)
    assert ended.code == 0
    assert f"Saved to {page}" in ended.out
    text = page.read_text()
    assert "turning" in text
    ended = run("explain", model, video, "--clips", tmp_path / "nothing", "-o", page)
    assert (ended.code, "no such folder" in ended.err) == (2, True)
    (tmp_path / "empty").mkdir()
    ended = run("explain", model, video, "--clips", tmp_path / "empty", "-o", page, "--overwrite")
    assert (ended.code, "has none of the training clips" in ended.err) == (0, True)
    assert text.count("data:image/jpeg;base64,") == 8 * 2 * (text.count("<figure>"))


def test_match_writes_one_page(run: Run, clips: Path, tmp_path: Path) -> None:
    page = tmp_path / "match.html"
    videos = sorted(clips.rglob("*.mp4"))[:2]
    ended = run("match", *videos, "-o", page, "--aligner", "otam", "--aligner", "diagonal")
    assert ended.code == 0
    assert ended.out.startswith("otam: similarity ")
    assert page.read_text(encoding="utf-8").count("<h2>") == 2


@pytest.mark.parametrize("command", ["explain", "match"])
def test_commands_of_one_clip_refuse_a_folder_of_clips(
    run: Run, model: Path, clips: Path, tmp_path: Path, command: str
) -> None:
    arguments = {
        "explain": (model, clips, "-o", tmp_path / "x.html"),
        "match": (clips / "growing" / "1.mp4", clips, "-o", tmp_path / "x.html"),
    }
    ended = run(command, *arguments[command])
    assert ended.code == 2
    assert f"{clips}: this is a folder of 6 clips" in ended.err
    assert f"Name one of them, such as {clips}/growing/1.mp4." in ended.err


def test_map_draws_folders_and_skips_what_cannot_be_read(
    run: Run, model: Path, clips: Path, broken: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn", reason="the extra map is not installed")
    page = tmp_path / "map.html"
    pattern, missing = clips / "turning" / "*.mp4", tmp_path / "nofile.mp4"
    ended = run("map", model, clips / "growing", pattern, missing, broken / "empty.mp4", "-o", page)
    assert ended.code == 3
    assert len(ended.out.splitlines()) == 5
    assert f"Skipped: {missing}: there is no such file" in ended.err
    assert "empty.mp4: the file is empty" in ended.err
    assert page.stat().st_size
    for nothing in (missing, broken / "empty.mp4"):
        ended = run("map", model, nothing, "-o", tmp_path / "other.html")
        assert (ended.code, ended.out) == (2, "")
    assert not (tmp_path / "other.html").exists()


def test_the_data_set_of_a_test_is_chosen(
    run: Run, model_of_features: Path, training: Path, new: Path
) -> None:
    refused(run("test", model_of_features, training), "Choose one: --dataset NAME")
    ended = run("test", model_of_features, training, "--dataset", "two", "--format", "json")
    assert (ended.code, json.loads(ended.out)["clips"]) == (0, 3)
    refused(run("test", model_of_features, training.parent, "--dataset", "two"), "file of features")


@pytest.mark.slow
def test_a_row_is_explained_and_rows_are_drawn(
    run: Run, model_of_features: Path, new: Path, tmp_path: Path
) -> None:
    refused(
        run("explain", model_of_features, new, "-o", tmp_path / "why.html"),
        f"{new}: one clip is explained at a time (got 3 clips)",
    )
    one = features.write(tmp_path / "one.npz", "clip\nx/1.mp4\n", count=1)
    ended = run("explain", model_of_features, one, "-o", tmp_path / "why.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("x/1.mp4: ")
    pytest.importorskip("sklearn")
    ended = run("map", model_of_features, new, "-o", tmp_path / "map.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count(": ") == len(features.NEW)
