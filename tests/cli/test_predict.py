"""``fewact predict``: output formats, skipped videos, timing, refused arguments."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.data import read_features
from fewact.features.extract import TIMING_STAGES
from fewact.video import write_video
from tests.cli import features
from tests.cli.conftest import CLASSES, refused
from tests.data.test_poses import movement, wide

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def expected(model: Path, clips: Path) -> dict[str, Any]:
    """Prediction of the classifier for every clip."""
    paths = sorted(clips.rglob("*.mp4"))
    predictions = FewShotClassifier.load(model).predict(paths)
    return {str(path): one for path, one in zip(paths, predictions, strict=True)}


def check(facts: dict[str, Any], expected: Any) -> None:
    assert (facts["label"], facts["best"]) == (expected.label, expected.best)
    assert float(facts["known"]) == expected.known
    assert facts["nearest"] == expected.nearest
    assert float(facts["probability"]) == expected.probability


def test_json_has_all_predictions(
    run: Run, model: Path, clips: Path, expected: dict[str, Any]
) -> None:
    ended = run("predict", model, clips, "--format", "json")
    assert ended.code == 0
    assert not ended.err
    document = json.loads(ended.out)
    assert document["skipped"] == []
    assert [one["path"] for one in document["predictions"]] == list(expected)
    for one in document["predictions"]:
        check(one, expected[one["path"]])
        assert one["probabilities"] == expected[one["path"]].probabilities
        ranked = list(one["probabilities"].values())
        assert ranked == sorted(ranked, reverse=True)


def test_jsonl_has_a_line_per_clip_and_the_top_classes(
    run: Run, model: Path, clips: Path, expected: dict[str, Any]
) -> None:
    ended = run("predict", model, clips, "--format", "jsonl", "--top", "2")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert [row["path"] for row in rows] == list(expected)
    for row in rows:
        check(row, expected[row["path"]])
        best = sorted(expected[row["path"]].probabilities.values(), reverse=True)[:2]
        assert list(row["probabilities"].values()) == best


def test_csv_has_a_row_per_clip(
    run: Run, model: Path, clips: Path, expected: dict[str, Any]
) -> None:
    ended = run("predict", model, clips, "--format", "csv", "--top", "9")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["path"] for row in rows] == list(expected)
    for row in rows:
        check(row, expected[row["path"]])
        labels = {row["best"], row["label_2"], row["label_3"]}
        assert labels == set(expected[row["path"]].probabilities)
    assert "label_4" not in rows[0]


def test_the_table_has_a_row_per_clip(
    run: Run, model: Path, clips: Path, expected: dict[str, Any]
) -> None:
    ended = run("predict", model, clips)
    header, *rows = ended.out.splitlines()
    assert "\x1b" not in ended.out
    names = ("path", "label", "best", "probability", "known", "nearest")
    starts = [header.index(name) for name in names]
    for row in rows:
        path, label, best, probability, known, nearest = (
            row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)
        )
        assert (label, best) == (expected[path].label, expected[path].best)
        assert float(known) == pytest.approx(expected[path].known, abs=0.0051)
        assert float(probability) == pytest.approx(expected[path].probability, abs=0.0051)
        assert nearest == expected[path].nearest
    top = run("predict", model, clips, "--top", "2").out.splitlines()
    assert [row.split("  ")[0] for row in top[1:]] == list(expected)
    assert "#2" in top[0]


@pytest.mark.slow
def test_clips_of_no_class_limit_false_alarms(run: Run, clips: Path, tmp_path: Path) -> None:
    for action, folder in (("growing", "growing"), ("turning", "turning"), ("moving left", "none")):
        shutil.copytree(clips / action, tmp_path / "clips" / folder)
    options = ("--method", "protonet", "--option", "frame_matching=concatenated")
    model = tmp_path / "model"
    ended = run("teach", tmp_path / "clips", "-o", model, *options, "--false-alarms", "0.05")
    assert ended.code == 0
    assert ["(none)", "2"] in [line.split() for line in ended.out.splitlines()]
    assert 'at most 34 % of other clips like the 2 in "none" get a class' in ended.out
    assert "5 % cannot be promised: needs 19 clips" in ended.out
    outside = clips / "moving left"
    rows = [
        json.loads(line)
        for line in run("predict", model, outside, "--format", "jsonl").out.splitlines()
    ]
    assert [row["label"] for row in rows] == ["(none)"] * 2
    assert all(row["best"] in {"growing", "turning"} for row in rows)
    shown = run("predict", model, outside).out.splitlines()
    assert all(" (none) " in row for row in shown[1:])
    table = run("predict", model, outside, "--format", "csv").out
    assert [row["label"] for row in csv.DictReader(io.StringIO(table))] == ["(none)"] * 2
    every = run("predict", model, outside, "--format", "jsonl", "--false-alarms", "1")
    assert every.code == 0
    assert "every clip gets a class" in every.err
    assert "(none)" not in every.out
    for command in (("predict", model, outside), ("teach", clips, "-o", tmp_path / "m")):
        refused = run(*command, "--false-alarms", "0")
        assert refused.code == 2
        assert "not a rate" in refused.err


def test_unusual_file_names_are_written_correctly(
    run: Run, model: Path, clips: Path, tmp_path: Path
) -> None:
    source = next(clips.rglob("*.mp4"))
    names = [
        "ein Gruß.mp4",
        "挨拶.mp4",
        'with "quotes", commas.mp4',
        "[brackets].mp4",
        "carriage\rreturn.mp4",
        "two\nlines.mp4",
    ]
    for name in names:
        shutil.copy(source, tmp_path / name)
    paths = [tmp_path / name for name in names]
    parsed = json.loads(run("predict", model, *paths, "--format", "json").out)
    assert [one["path"] for one in parsed["predictions"]] == list(map(str, paths))
    table = run("predict", model, *paths, "--format", "csv").out
    assert [row["path"] for row in csv.DictReader(io.StringIO(table, newline=""))] == [
        *map(str, paths)
    ]
    rows = run("predict", model, *paths).out.splitlines()
    assert len(rows) == 1 + len(names)
    assert "two\\nlines.mp4" in rows[-1]


def test_a_bad_file_does_not_stop_the_others(
    run: Run, model: Path, clips: Path, broken: Path, expected: dict[str, Any]
) -> None:
    ended = run("predict", model, broken, clips, "--format", "json")
    assert ended.code == 3
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == list(expected)
    bad = sorted(str(path) for path in broken.iterdir())
    assert sorted(one["path"] for one in document["skipped"]) == bad
    lines = [line for line in ended.err.splitlines() if line.startswith("Skipped: ")]
    for path, line in zip(bad, sorted(lines), strict=True):
        assert path in line
    assert ended.err.splitlines()[-1] == "Skipped 4 of 10 videos."
    reason = {one["path"].rpartition("/")[2]: one["reason"] for one in document["skipped"]}
    assert "no video stream" in reason["sound.mp4"]
    assert "empty" in reason["empty.mp4"]


def test_a_file_that_does_not_exist_is_skipped(
    run: Run, model: Path, clips: Path, tmp_path: Path
) -> None:
    good = clips / "growing" / "1.mp4"
    ended = run("predict", model, good, clips / "growing" / "11.mp4", "--format", "json")
    assert ended.code == 3
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == [str(good)]
    assert [one["reason"] for one in document["skipped"]] == ["there is no such file"]
    assert 'Did you mean "1.mp4"?' in ended.err
    for arguments in (("predict", model, good, ""), ("teach", "", "-o", tmp_path / "m")):
        ended = run(*arguments)
        assert ended.code == 2
        assert "not a path (got '')" in ended.err


def test_timing_is_written_on_request(run: Run, model: Path, clips: Path) -> None:
    ended = run("predict", model, clips, "--format", "json", "--timing")
    timing = json.loads(ended.out)["timing"]
    assert list(timing)[:5] == ["decode", "stabilise", "backbone", "moments", "alignment"]
    after = timing["moments"] + timing["alignment"]
    assert timing["after_backbone_fraction"] == pytest.approx(after / timing["backbone"])
    assert all(value > 0 for value in timing.values())
    assert f"backbone {timing['backbone']:.1f} ms" in ended.err
    assert "timing" not in run("predict", model, clips, "--timing").out


@pytest.mark.slow
@pytest.mark.assets
def test_real_clips_and_formats(run: Run, assets: Path, tmp_path: Path) -> None:
    source = assets / "clips" / "utd5_rgb"
    actions = sorted(path for path in source.iterdir() if path.is_dir())[:2]
    for action in actions:
        for path in sorted(action.glob("*.mp4"))[:2]:
            place = tmp_path / "clips" / action.name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    model = tmp_path / "model"
    quick = ("--method", "protonet", "--option", "frames=2")
    assert run("teach", tmp_path / "clips", "-o", model, *quick).code == 0
    ended = run("predict", model, assets / "clips" / "formats", "--format", "json")
    assert ended.code == 3
    document = json.loads(ended.out)
    names = {Path(one["path"]).name for one in document["predictions"]}
    assert {"rotate_90.mov", "newtonscradle.gif", "smallest.webm", "h265_video.mp4"} <= names
    skipped = {Path(one["path"]).name for one in document["skipped"]}
    assert {"not_a_video.mp4", "zero_bytes.webm"} <= skipped
    assert "Traceback" not in ended.err


def side_by_side(folder: Path) -> Path:
    """Write a clip in which two bars turn, one slower than the other."""
    rows, columns = np.mgrid[-80:80, -80:80]
    turned = [np.exp(1j * np.arange(64) / period)[:, None, None] for period in (4, 7)]
    places = [(columns + 1j * rows) * turn for turn in turned]  # (t h w) of each half
    bars = [(np.abs(place.real) < 50) & (np.abs(place.imag) < 8) for place in places]
    frames = np.where(np.concatenate(bars, axis=2)[..., None], 220, 60).astype(np.uint8)
    return write_video(folder / "two.mp4", frames.repeat(3, axis=3), 15)


@pytest.mark.slow
def test_regions_answer_for_each_subject_in_every_format(
    run: Run, model: Path, tmp_path: Path
) -> None:
    video = side_by_side(tmp_path)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,id,x,y,w,h\n0,left,20,20,140,140\n0,right,220,20,140,140\n")
    ended = run("predict", model, video, "--boxes", boxes, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [(row["subject"], row["x"], row["w"]) for row in rows] == [
        ("left", "20.0", "140.0"),
        ("right", "220.0", "140.0"),
    ]
    table = run("predict", model, video, "--boxes", boxes)
    header, *lines = table.out.splitlines()
    assert header.split()[:3] == ["path", "subject", "box"]
    assert lines[0].split()[1:4] == ["left", "20,20", "140x140"]
    documents = run("predict", model, video, "--regions", "--format", "json")
    predictions = json.loads(documents.out)["predictions"]
    assert all(len(one["box"]) == 4 for one in predictions)
    assert [one["subject"] for one in predictions] == ["1", "2"]


def test_a_doubtful_clip_of_two_that_move_is_named(
    run: Run, model: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.classifier.predict.DOUBTFUL", 1.0)
    video = side_by_side(tmp_path)
    ended = run("predict", model, video, clips / CLASSES[1] / "1.mp4")
    named = [line for line in ended.err.splitlines() if "move in it" in line]
    assert named == [f"{video}: 2 things move in it: --regions answers for each"]


def test_boxes_are_of_one_video(run: Run, model: Path, clips: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,id,x,y,w,h\n0,1,0,0,9,9\n")
    refused(run("predict", model, clips, "--boxes", boxes), "boxes are of one video", "--boxes")


def test_every_format_has_a_prediction_for_each_row_of_features(
    run: Run, model_of_features: Path, new: Path
) -> None:
    wanted = FewShotClassifier.load(model_of_features).predict(read_features(new))
    assert [one.best for one in wanted] == list(features.ACTIONS)
    ended = run("predict", model_of_features, new, "--format", "json", "--timing")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == list(features.NEW)
    for one, right in zip(document["predictions"], wanted, strict=True):
        assert one["probabilities"] == right.probabilities
        assert (one["label"], one["nearest"]) == (right.label, right.nearest)
        assert (one["best"], one["known"]) == (right.best, right.known)
    assert list(document["timing"]) == [stage for stage in TIMING_STAGES if stage != "pose"]
    assert "backbone's time" not in ended.err
    lines = run("predict", model_of_features, new, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == document["predictions"]
    table = list(
        csv.DictReader(io.StringIO(run("predict", model_of_features, new, "--format", "csv").out))
    )
    assert [(row["path"], row["best"]) for row in table] == list(
        zip(features.NEW, features.ACTIONS, strict=True)
    )
    assert [row["label"] for row in table] == [one.label for one in wanted]
    shown = run("predict", model_of_features, new).out.splitlines()
    assert [line.split("  ")[0] for line in shown[1:]] == list(features.NEW)


def test_rows_without_a_table_are_numbered(
    run: Run, model_of_features: Path, tmp_path: Path
) -> None:
    bare = features.write(tmp_path / "bare.npz", None)
    lines = run("predict", model_of_features, bare, "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["0", "1", "2"]
    assert [json.loads(line)["best"] for line in lines] == list(features.ACTIONS)


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
    file = features.write(tmp_path / "bad.npz", table, count=6, at1=np.nan, at3=np.inf)
    ended = run("predict", model_of_features, file, "--format", "json")
    assert ended.code == 3
    document = json.loads(ended.out)
    assert [one["path"] for one in document["predictions"]] == ["a", "c", "e", "f"]
    assert [one["path"] for one in document["skipped"]] == ["x//b", "d"]
    assert all("not finite" in one["reason"] for one in document["skipped"])
    assert ended.err.splitlines()[-1] == "Skipped 2 of 6 rows."
    table = table.replace("b\tjump", "b\twave").replace("d\tclap", "d\twave")
    file = features.write(tmp_path / "bad.npz", table, count=6, at1=np.nan)
    ended = run("teach", file, "-o", tmp_path / "m")
    assert ended.code == 3
    assert "ignored, clips without a class: 1" in ended.err
    assert "only one clip of no class" in ended.err
    assert "skipped: x//b: features that are not finite numbers" in ended.err
    assert "Skipped clips: 1" in ended.out
    assert {c.name for c in FewShotClassifier.load(tmp_path / "m").fitted_.clips} == {"a", "c", "d"}


@pytest.mark.slow
def test_videos_and_features_cannot_be_mixed(
    run: Run, model_of_features: Path, model: Path, clips: Path, new: Path, tmp_path: Path
) -> None:
    expected = f"features (clips, {features.T}, {features.D})"
    refused(
        run("predict", model_of_features, clips),
        "a classifier of features needs features or poses",
        expected,
    )
    refused(run("predict", model, new), "x/1.mp4: features were passed to a classifier of videos")
    refused(run("predict", model_of_features, new, clips), "only one file of features at a time")
    refused(run("predict", model, clips, "--dataset", "one"), "--dataset")
    for shape, got in (
        ((3, features.T, features.D + 1), "length 7"),
        ((3, features.T + 1, features.D), "5 vectors"),
    ):
        np.savez(tmp_path / "other.npz", features=np.ones(shape, dtype=np.float32))
        ended = run("predict", model_of_features, tmp_path / "other.npz")
        refused(
            ended,
            "0: wrong number or length of the feature vectors",
            got,
            f"expected: {features.T} vectors of length {features.D}",
        )


def test_clips_that_show_no_class_are_answered_so_by_default(
    run: Run, model_of_features: Path, tmp_path: Path
) -> None:
    other = np.random.default_rng(9).standard_normal((features.T, features.D))
    outside = features.write(tmp_path / "outside.npz", "clip\na\nb\nc\n", at0=other, at1=-other)
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
