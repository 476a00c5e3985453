"""``fewact teach`` and ``fewact predict`` with a file of features instead of videos."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.data import read_features
from fewact.features.extract import TIMING_STAGES
from tests.cli.conftest import refused
from tests.data.test_poses import movement, wide

Run = Callable[..., Any]

T, D = 4, 6
CLASSES = ("clap", "jump", "wave")
COURSES = np.random.default_rng(0).standard_normal((len(CLASSES), T, D))
NEW = ("x/1.mp4", "x//2, twice", "ein Gruß")


def write(file: Path, table: str | None, **changes: Any) -> Path:
    """Write a file of features: noisy copies of one sequence per class, class after class."""
    count = changes.pop("count", len(CLASSES))
    noise = 0.3 * np.random.default_rng(count).standard_normal((count, T, D))
    features = COURSES[np.arange(count) % len(CLASSES)] + noise
    for place, value in changes.items():
        features[int(place.removeprefix("at"))] = value
    np.savez(file, features=features.astype(np.float32))
    if table is not None:
        file.with_suffix(".tsv").write_text(table, encoding="utf-8")
    return file


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """Nine labelled clips, three of each class, of two data sets."""
    table = "clip\tclass\tgroup\tdataset\n"
    for i in range(9):
        table += f"t{i}\t{CLASSES[i % 3]}\ts{i // 3}\t{'one' if i < 6 else 'two'}\n"
    return write(tmp_path / "training.npz", table, count=9)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "new.npz", "clip\n" + "".join(f"{name}\n" for name in NEW))


@pytest.fixture
def model_of_features(run: Run, training: Path, tmp_path: Path) -> Path:
    """A model taught from six rows."""
    assert run("teach", training, "--dataset", "one", "-o", tmp_path / "model").code == 0
    return tmp_path / "model"


def test_teach_prints_a_summary(run: Run, training: Path, tmp_path: Path) -> None:
    ended = run("teach", training, "--dataset", "one", "-o", tmp_path / "model")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split() for line in ended.out.splitlines()[:4]] == [
        ["class", "clips"],
        *([name, "2"] for name in CLASSES),
    ]
    assert "of 6 training clips" in ended.out
    assert ended.out.splitlines()[-1].endswith("model FEATURES.npz")
    classifier = FewShotClassifier.load(tmp_path / "model")
    assert [clip.name for clip in classifier.clips_] == ["t0", "t3", "t1", "t4", "t2", "t5"]
    assert classifier.method.options.frames == T


def test_classes_that_differ_in_case_alone_are_named(
    run: Run, training: Path, tmp_path: Path
) -> None:
    table = training.with_suffix(".tsv")
    table.write_text(table.read_text().replace("t0\tclap", "t0\tClap"))
    ended = run("teach", training, "--dataset", "one", "-o", tmp_path / "model")
    assert (ended.code, "names differ in case alone: Clap, clap" in ended.err) == (0, True)


def test_the_data_set_of_a_test_is_chosen(
    run: Run, model_of_features: Path, training: Path, new: Path
) -> None:
    refused(run("test", model_of_features, training), "Choose one: --dataset NAME")
    ended = run("test", model_of_features, training, "--dataset", "two", "--format", "json")
    assert (ended.code, json.loads(ended.out)["clips"]) == (0, 3)
    refused(run("test", model_of_features, training.parent, "--dataset", "two"), "file of features")


def test_options_and_limit_are_used(run: Run, training: Path, tmp_path: Path) -> None:
    quick = ("--dataset", "one", "--method", "protonet", "--option", "frame_matching=concatenated")
    ended = run("teach", training, "-o", tmp_path / "m", "--max-per-class", 1, *quick)
    assert ended.code == 0
    classifier = FewShotClassifier.load(tmp_path / "m")
    assert len(classifier.clips_) == 3
    assert (classifier.method.options.frame_matching, classifier.method.options.frames) == (
        "concatenated",
        T,
    )


def test_every_format_has_a_prediction_for_each_row(
    run: Run, model_of_features: Path, new: Path
) -> None:
    wanted = FewShotClassifier.load(model_of_features).predict(read_features(new))
    assert [one.best for one in wanted] == list(CLASSES)
    ended = run("predict", model_of_features, new, "--format", "json", "--timing")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == list(NEW)
    for one, right in zip(document["predictions"], wanted, strict=True):
        assert one["probabilities"] == right.probabilities
        assert (one["label"], one["nearest"]) == (right.label, right.nearest)
        assert (one["best"], one["known"]) == (right.best, right.known)
    assert list(document["timing"]) == list(TIMING_STAGES)
    assert "backbone's time" not in ended.err
    lines = run("predict", model_of_features, new, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == document["predictions"]
    table = list(
        csv.DictReader(io.StringIO(run("predict", model_of_features, new, "--format", "csv").out))
    )
    assert [(row["path"], row["best"]) for row in table] == list(zip(NEW, CLASSES, strict=True))
    assert [row["label"] for row in table] == [one.label for one in wanted]
    shown = run("predict", model_of_features, new).out.splitlines()
    assert [line.split("  ")[0] for line in shown[1:]] == list(NEW)


@pytest.mark.slow
def test_a_row_is_explained_and_rows_are_drawn(
    run: Run, model_of_features: Path, new: Path, tmp_path: Path
) -> None:
    refused(
        run("explain", model_of_features, new, "-o", tmp_path / "why.html"),
        f"{new}: one clip is explained at a time (got 3 clips)",
    )
    one = write(tmp_path / "one.npz", "clip\nx/1.mp4\n", count=1)
    ended = run("explain", model_of_features, one, "-o", tmp_path / "why.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("x/1.mp4: ")
    pytest.importorskip("sklearn")
    ended = run("map", model_of_features, new, "-o", tmp_path / "map.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count(": ") == len(NEW)


def test_rows_without_a_table_are_numbered(
    run: Run, model_of_features: Path, tmp_path: Path
) -> None:
    bare = write(tmp_path / "bare.npz", None)
    lines = run("predict", model_of_features, bare, "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["0", "1", "2"]
    assert [json.loads(line)["best"] for line in lines] == list(CLASSES)


def test_predict_reads_one_data_set_or_all_rows(
    run: Run, model_of_features: Path, training: Path
) -> None:
    two = run("predict", model_of_features, training, "--dataset", "two", "--format", "jsonl").out
    assert [json.loads(line)["path"] for line in two.splitlines()] == ["t6", "t7", "t8"]
    every = run("predict", model_of_features, training, "--format", "jsonl").out
    assert len(every.splitlines()) == 9
    refused(run("predict", model_of_features, training, "--dataset", "tow"), 'Did you mean "two"?')


def test_a_bad_row_does_not_stop_the_others(
    run: Run, model_of_features: Path, tmp_path: Path
) -> None:
    table = "clip\tclass\na\tclap\nx//b\tjump\nc\twave\nd\tclap\ne\tnone\nf\t\n"
    file = write(tmp_path / "bad.npz", table, count=6, at1=np.nan, at3=np.inf)
    ended = run("predict", model_of_features, file, "--format", "json")
    assert ended.code == 3
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == ["a", "c", "e", "f"]
    assert [one["path"] for one in document["skipped"]] == ["x//b", "d"]
    assert all("not finite" in one["reason"] for one in document["skipped"])
    assert ended.err.splitlines()[-1] == "Skipped 2 of 6 rows."
    table = table.replace("b\tjump", "b\twave").replace("d\tclap", "d\twave")
    file = write(tmp_path / "bad.npz", table, count=6, at1=np.nan)
    ended = run("teach", file, "-o", tmp_path / "m")
    assert ended.code == 3
    assert "ignored, clips without a class: 1" in ended.err
    assert "only one clip of no class" in ended.err
    assert "skipped: x//b: features that are not finite numbers" in ended.err
    assert "Skipped clips: 1" in ended.out
    assert {c.name for c in FewShotClassifier.load(tmp_path / "m").clips_} == {"a", "c", "d"}


@pytest.mark.slow
def test_videos_and_features_cannot_be_mixed(
    run: Run, model_of_features: Path, model: Path, clips: Path, new: Path, tmp_path: Path
) -> None:
    expected = f"features (clips, {T}, {D})"
    refused(
        run("predict", model_of_features, clips),
        "a classifier of features needs features or poses",
        expected,
    )
    refused(run("predict", model, new), "x/1.mp4: features were passed to a classifier of videos")
    refused(run("predict", model_of_features, new, clips), "only one file of features at a time")
    refused(run("predict", model, clips, "--dataset", "one"), "--dataset")
    for shape, got in (((3, T, D + 1), "length 7"), ((3, T + 1, D), "5 vectors")):
        np.savez(tmp_path / "other.npz", features=np.ones(shape, dtype=np.float32))
        ended = run("predict", model_of_features, tmp_path / "other.npz")
        refused(
            ended,
            "0: wrong number or length of the feature vectors",
            got,
            f"expected: {T} vectors of length {D}",
        )


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (("--dataset", "two", "--thumbnails"), "--thumbnails"),
        (("--dataset", "two", "--method", "pixels"), f"expected: vectors:{T}"),
        (("--dataset", "two", "--weights", "random"), "need no backbone"),
    ],
)
def test_wrong_options_are_refused(
    run: Run, training: Path, tmp_path: Path, options: tuple[str, ...], messages: str
) -> None:
    refused(run("teach", training, "-o", tmp_path / "m", *options), messages)
    assert not (tmp_path / "m").exists()


def test_clips_that_show_no_class_are_answered_so_by_default(
    run: Run, model_of_features: Path, tmp_path: Path
) -> None:
    other = np.random.default_rng(9).standard_normal((T, D))
    outside = write(tmp_path / "outside.npz", "clip\na\nb\nc\n", at0=other, at1=-other)
    clips = read_features(outside)
    classifier = FewShotClassifier.load(model_of_features)
    labels = [prediction.label for prediction in classifier.predict(clips)]
    assert labels[:2] == ["(none)", "(none)"]
    assert run("predict", model_of_features, outside).out.count("(none)") == labels.count("(none)")
    assert "(none)" not in run("predict", model_of_features, outside, "--false-alarms", 1).out


def test_poses_have_the_names_of_their_files_and_bad_ones_are_skipped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for action in ("up", "right"):
        for take in ("1", "2", "3"):
            (tmp_path / "poses" / action).mkdir(parents=True, exist_ok=True)
            wide(tmp_path / "poses" / action / f"{take}.csv", movement(5, action, seed=int(take)))
    monkeypatch.chdir(tmp_path)
    assert run("teach", "poses", "-o", "model").code == 0
    Path("bad.csv").touch()
    ended = run("predict", "model", "poses/*/1.csv", "bad.csv", "poses/up", "--format", "csv")
    assert (ended.code, "skipped: bad.csv: the file is empty" in ended.err) == (3, True)
    names = [row["path"] for row in csv.DictReader(io.StringIO(ended.out))]
    assert names == [f"poses/{name}.csv" for name in ("right/1", "up/1", "up/1", "up/2", "up/3")]
    Path("poses/up/bad.csv").touch()
    assert run("test", "model", "poses").code == 3
    assert run("add", "model", "left", tmp_path / "poses" / "up" / "1.csv").code == 0
    clips = json.loads(run("info", "model", "--format", "json").out)["clips"]
    assert [clip["name"] for clip in clips if clip["label"] == "left"] == ["left/1.csv"]
