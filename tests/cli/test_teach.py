"""``fewact teach``: the summary, the options, and every kind of input that it refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier

Run = Callable[..., Any]

QUICK = ("--method", "protonet", "--option", "frames=2")


def test_summary_and_model(run: Run, clips: Path, tmp_path: Path) -> None:
    place = tmp_path / "my models" / "größe"
    examples = run("teach", clips, "-o", place, *QUICK)
    assert examples.code == 0
    assert not examples.err
    assert "\x1b" not in examples.out
    assert [line.split() for line in examples.out.splitlines()[:4]] == [
        ["class", "clips"],
        ["growing", "2"],
        ["moving", "left", "2"],
        ["turning", "2"],
    ]
    assert "Held-out accuracy:" in examples.out
    assert "of 6 training clips" in examples.out
    assert "chance: 33 %" in examples.out
    assert f"fewact predict '{place}' VIDEO" in examples.out
    classifier = FewShotClassifier.load(place)
    assert classifier.classes_ == ("growing", "moving left", "turning")
    assert not list(place.glob("*.jpg"))


def test_table_with_stretches_limit_and_options(run: Run, clips: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.parent.name},0.5,1.5" for path in sorted(clips.rglob("*.mp4"))]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label,start,end", *rows]) + "\n")
    options = ("--option", "frames=2", "--option", "order=joined", "--precision", "float32")
    examples = run(
        *("teach", table, "-o", tmp_path / "model", "--method", "protonet", *options),
        *("--max-per-class", "1", "--thumbnails"),
    )
    assert examples.code == 0
    assert "Held-out accuracy: unknown" in examples.out
    assert "not calibrated" in examples.out
    classifier = FewShotClassifier.load(tmp_path / "model")
    assert [clip.start for clip in classifier.clips_] == [0.5, 0.5, 0.5]
    assert classifier.method.options.order == "joined"
    assert classifier.precision == "float32"
    assert len(list((tmp_path / "model").glob("*.jpg"))) == 3


def test_unreadable_clips_are_skipped(run: Run, clips: Path, broken: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "clips")
    for path in broken.iterdir():
        shutil.copy(path, tmp_path / "clips" / "growing")
    examples = run("teach", tmp_path / "clips", "-o", tmp_path / "model", *QUICK)
    assert examples.code == 3
    assert "Skipped: 4 clips" in examples.out
    lines = examples.err.splitlines()
    assert len(lines) == 4
    for path in broken.iterdir():
        assert sum(path.name in line for line in lines) == 1
    assert len(FewShotClassifier.load(tmp_path / "model").clips_) == 6


def layout(folder: Path, clip: Path, *names: str) -> Path:
    """A folder with a clip of each of the names, and empty folders for names that end in "/"."""
    for name in names:
        place = folder / name
        if name.endswith("/"):
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, place)
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "not sorted into class folders"),
        (("a.mp4", "b.mp4"), "not sorted into class folders"),
        (("wave/1.mp4",), "only one class"),
        (("wave/1.mp4", "clap/"), 'the class "clap" has no clips'),
        (("wave/1.mp4", "clap/1.txt"), 'the class "clap" has no clips'),
    ],
)
def test_folders_that_cannot_be_taught(
    run: Run, clips: Path, tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    folder = layout(tmp_path / "clips", next(clips.rglob("*.mp4")), *names)
    refused(run("teach", folder, "-o", tmp_path / "model"), told, str(folder))
    assert not (tmp_path / "model").exists()


def refused(ended: Any, *told: str) -> None:
    """The user's fault: one message, no traceback, nothing on stdout."""
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err
    assert not ended.out
    for text in told:
        assert text in ended.err


def test_missing_folder_and_single_video(run: Run, clips: Path, tmp_path: Path) -> None:
    refused(run("teach", tmp_path / "nowhere", "-o", tmp_path / "m"), "no such folder or table")
    clip = next(clips.rglob("*.mp4"))
    refused(run("teach", clip, "-o", tmp_path / "m"), "this is one video", str(clip))


def test_class_without_a_readable_clip(run: Run, clips: Path, broken: Path, tmp_path: Path) -> None:
    shutil.copytree(clips / "growing", tmp_path / "clips" / "growing")
    shutil.copytree(broken, tmp_path / "clips" / "broken")
    ended = run("teach", tmp_path / "clips", "-o", tmp_path / "model", *QUICK)
    assert ended.code == 2
    assert 'no clip of the class "broken" can be read' in ended.err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("file,label\n1.mp4,wave\n", 'no column "path"'),
        ("path,label\n1.mp4,wave\n2.mp4,\n", 'line 3, column "label"'),
        ("path,label,start\n1.mp4,wave,soon\n", 'line 2, column "start"'),
        ("path,label\n1.mp4,wave\n2.mp4,clap\n", "none of the table's clips exist"),
    ],
)
def test_tables_that_cannot_be_taught(run: Run, tmp_path: Path, text: str, told: str) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(text)
    refused(run("teach", table, "-o", tmp_path / "model"), told, str(table))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--method", "fusoin"), 'Did you mean "fusion"?'),
        (("--backbone", "resnet5"), 'Did you mean "resnet50"?'),
        (("--backbone", "resnet50"), "resnet50"),
        (("--weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--option", "horizontal_filp=2"), 'Did you mean "horizontal_flip"?'),
        (("--option", "frames=zero"), "frames"),
        (("--option", "frames"), "KEY=VALUE"),
        (("--device", "toaster"), "toaster"),
        (("--precision", "float8"), "float8"),
    ],
)
def test_wrong_choices(
    run: Run, clips: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    refused(run("teach", clips, "-o", tmp_path / "model", *options), told)
    assert not (tmp_path / "model").exists()


def test_what_is_there_is_kept(run: Run, clips: Path, model: Path, tmp_path: Path) -> None:
    place = tmp_path / "model"
    shutil.copytree(model, place)
    before = (place / "config.json").read_bytes()
    refused(run("teach", clips, "-o", place, *QUICK), "--overwrite", str(place))
    assert (place / "config.json").read_bytes() == before
    replaced = run("teach", clips, "-o", place, "--overwrite", *QUICK, "--max-per-class", 1)
    assert replaced.code == 0
    assert len(FewShotClassifier.load(place).clips_) == 3

    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        refused(run("teach", clips, "-o", target, "--overwrite", *QUICK), str(target))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
