"""``fewact teach``: the summary, the options, and the inputs that it refuses."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier, methods
from fewact.classifier.info import thumbnails
from tests.cli import features
from tests.cli.conftest import refused

Run = Callable[..., Any]

QUICK = ("--method", "protonet", "--option", "frames=2")


def test_teach_prints_a_summary_and_saves_a_model(run: Run, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my models" / "größe"
    ended = run("teach", clips, "-o", folder, *QUICK)
    assert ended.code == 0
    assert not ended.err
    assert "\x1b" not in ended.out
    assert [line.split() for line in ended.out.splitlines()[:4]] == [
        ["class", "clips"],
        ["growing", "2"],
        ["moving", "left", "2"],
        ["turning", "2"],
    ]
    assert "Held-out accuracy:" in ended.out
    assert "of 6 training clips" in ended.out
    assert "chance: 33 %" in ended.out
    assert f"fewact predict '{folder}' VIDEO" in ended.out
    classifier = FewShotClassifier.load(folder)
    assert tuple(classifier.classes_) == ("growing", "moving left", "turning")
    assert not classifier.fitted_.has_thumbnails


def test_a_table_of_segments_with_limit_and_options(run: Run, clips: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.parent.name},0.5,1.5" for path in sorted(clips.rglob("*.mp4"))]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label,start,end", *rows]) + "\n")
    options = ("--option", "frame_matching=concatenated", "--precision", "float32")
    limited = ("--max-per-class", "1", "--thumbnails")
    ended = run("teach", table, "-o", tmp_path / "model", *QUICK, *options, *limited)
    assert ended.code == 0
    assert "Held-out accuracy: unknown" in ended.out
    assert "not calibrated" in ended.out
    classifier = FewShotClassifier.load(tmp_path / "model")
    assert [clip.start for clip in classifier.fitted_.clips] == [0.5, 0.5, 0.5]
    assert classifier.method.options.frame_matching == "concatenated"
    assert classifier.precision == "float32"
    assert [len(images) for images in thumbnails(classifier).values()] == [1, 1, 1]


@pytest.mark.parametrize("options", [[], ["ignore"]])
def test_unreadable_clips_are_skipped(
    run: Run,
    clips: Path,
    broken: Path,
    tmp_path: Path,
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if options:  # of Python, as PYTHONWARNINGS sets them
        monkeypatch.setattr(sys, "warnoptions", options)
        warnings.simplefilter("ignore")
    shutil.copytree(clips, tmp_path / "clips")
    for path in broken.iterdir():
        shutil.copy(path, tmp_path / "clips" / "growing")
    ended = run("teach", tmp_path / "clips", "-o", tmp_path / "model", *QUICK)
    assert ended.code == 3
    assert "Skipped clips: 4" in ended.out
    lines = ended.err.splitlines()
    assert len(lines) == 4
    for path in broken.iterdir():
        assert sum(path.name in line for line in lines) == 1
    assert len(FewShotClassifier.load(tmp_path / "model").fitted_.clips) == 6


def test_a_single_video_is_refused(run: Run, clips: Path, tmp_path: Path) -> None:
    clip = next(clips.rglob("*.mp4"))
    refused(run("teach", clip, "-o", tmp_path / "m"), "this is one video", str(clip))


def test_a_class_without_a_readable_clip_is_refused(
    run: Run, clips: Path, broken: Path, tmp_path: Path
) -> None:
    shutil.copytree(clips / "growing", tmp_path / "clips" / "growing")
    shutil.copytree(broken, tmp_path / "clips" / "broken")
    ended = run("teach", tmp_path / "clips", "-o", tmp_path / "model", *QUICK)
    assert ended.code == 2
    assert 'no clip of the class "broken" can be read' in ended.err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "resnet50"), "resnet50"),
        (("--weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--option", "horizontal_filp=2"), 'Did you mean "horizontal_flip"?'),
        (("--option", "frames=zero"), "frames"),
        (("--option", "frames"), "KEY=VALUE"),
    ],
)
def test_wrong_options_are_refused(
    run: Run, clips: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    refused(run("teach", clips, "-o", tmp_path / "model", *options), message)
    assert not (tmp_path / "model").exists()


def test_existing_models_and_files_are_kept(
    run: Run, clips: Path, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    before = (folder / "model.safetensors").read_bytes()
    refused(run("teach", clips, "-o", folder, *QUICK), "--overwrite", str(folder))
    assert (folder / "model.safetensors").read_bytes() == before
    replaced = run("teach", clips, "-o", folder, "--overwrite", *QUICK, "--max-per-class", 1)
    assert replaced.code == 0
    assert len(FewShotClassifier.load(folder).fitted_.clips) == 3

    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        refused(run("teach", clips, "-o", target, "--overwrite", *QUICK), str(target))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


METHOD = """
from dataclasses import dataclass
from fewact import methods
from fewact.methods.protonet import ProtoNet

@methods.register("ours")
class Ours(ProtoNet):
    pass

class NotNamed(ProtoNet):
    pass
"""


@pytest.mark.slow
def test_methods_of_a_file_are_taught_and_predict(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(methods.REGISTRY._entries)

    def run_anew(*words: object) -> Any:
        """Run a command as in a process of its own, which knows no method of the file."""
        monkeypatch.setattr(methods.REGISTRY, "_entries", dict(before))
        return run(*words)

    file, model = tmp_path / "mine.py", tmp_path / "model"
    file.write_text(METHOD)
    assert "unknown method" in run_anew("teach", clips, "-o", model, "--method", "ours").err
    for name in ("ours", "NotNamed"):
        words = ("-o", model, "--method", name, "--import", file, "--overwrite")
        taught = run_anew("teach", clips, *words)
        assert taught.code == 0, taught.err
        assert taught.out.endswith(f"Next: fewact predict {model} VIDEO --import {file}\n")
        words = ("--import", file, "--sets", "0.5", "--format", "jsonl")
        shown = run_anew("predict", model, clips, *words)
        assert shown.code == 0, shown.err
        assert "set" in json.loads(shown.out.splitlines()[0])
    archive = tmp_path / "exported.safetensors"
    packed = (("export", model, "--file", archive), ("import", archive, tmp_path / "imported"))
    for words in (("review", model), ("test", model, clips), *packed):
        shown = run_anew(*words, "--import", file)
        assert shown.code == 0, shown.err
        assert "the code of the method" not in shown.err
    file.write_text(METHOD + "\n# An edit.\n")
    edited = run_anew("predict", model, clips, "--import", file)
    assert edited.code == 0
    assert "the code of the method NotNamed is not that with which the model" in edited.err
    unknown = run_anew("predict", model, clips)
    assert unknown.code == 2
    assert "the method NotNamed cannot be built: unknown method" in unknown.err
    assert "Pass the file that has the method with --import" in unknown.err
    missing = run_anew("teach", clips, "-o", model, "--import", tmp_path / "none.py")
    assert "there is no such file" in missing.err


def test_a_model_beside_its_class_folders_is_taught_again(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(clips, tmp_path / "clips")
    words = ("teach", folder, "-o", folder / "mine", "--thumbnails", "--method", "protonet")
    assert run(*words, "--option", "frames=2").code == 0
    ended = run(*words, "--option", "frames=2", "--overwrite")
    assert ended.code == 0
    assert ended.err.count("ignored, saved models beside the class folders: mine") == 1
    ended = run("predict", folder / "mine", folder, "--format", "csv")
    assert (ended.code, ended.out.count("\n")) == (0, 1 + 6)


def test_a_file_of_features_is_taught(run: Run, training: Path, tmp_path: Path) -> None:
    ended = run("teach", training, "--dataset", "one", "-o", tmp_path / "model")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split() for line in ended.out.splitlines()[:4]] == [
        ["class", "clips"],
        *([name, "2"] for name in features.ACTIONS),
    ]
    assert "of 6 training clips" in ended.out
    assert ended.out.splitlines()[-1].endswith("model FEATURES.npz")
    classifier = FewShotClassifier.load(tmp_path / "model")
    assert [clip.name for clip in classifier.fitted_.clips] == ["t0", "t3", "t1", "t4", "t2", "t5"]
    assert classifier.method.options.frames == features.T


def test_classes_that_differ_in_case_alone_are_named(
    run: Run, training: Path, tmp_path: Path
) -> None:
    table = training.with_suffix(".tsv")
    table.write_text(table.read_text().replace("t0\tclap", "t0\tClap"))
    ended = run("teach", training, "--dataset", "one", "-o", tmp_path / "model")
    assert (ended.code, "names differ in case alone: Clap, clap" in ended.err) == (0, True)


def test_options_and_limit_of_features_are_used(run: Run, training: Path, tmp_path: Path) -> None:
    quick = ("--dataset", "one", "--method", "protonet", "--option", "frame_matching=concatenated")
    ended = run("teach", training, "-o", tmp_path / "m", "--max-per-class", 1, *quick)
    assert ended.code == 0
    classifier = FewShotClassifier.load(tmp_path / "m")
    assert len(classifier.fitted_.clips) == 3
    assert (classifier.method.options.frame_matching, classifier.method.options.frames) == (
        "concatenated",
        features.T,
    )


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (("--dataset", "two", "--thumbnails"), "--thumbnails"),
        (("--dataset", "two", "--method", "pixels"), f"expected: vectors:{features.T}"),
        (("--dataset", "two", "--weights", "random"), "need no backbone"),
    ],
)
def test_wrong_options_of_features_are_refused(
    run: Run, training: Path, tmp_path: Path, options: tuple[str, ...], messages: str
) -> None:
    refused(run("teach", training, "-o", tmp_path / "m", *options), messages)
    assert not (tmp_path / "m").exists()
