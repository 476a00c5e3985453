"""``fewact demo`` from end to end, on few and small clips."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.cli import demo

Run = Callable[..., Any]
SHORT = ("falls, then slides left", "slides left, then falls")


@pytest.mark.slow
def test_the_demo_on_rendered_clips(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DEMO_CLASSES", SHORT)
    monkeypatch.setattr(demo, "DEMO_TRAINING_CLIPS", 1)
    monkeypatch.setattr(demo, "NEW_CLIPS", 1)
    monkeypatch.chdir(tmp_path)
    ended = run("demo")
    assert ended.code == 0
    assert "2 training clips of 2 classes, 2 new clips." in ended.out
    for text in ("fusion", "a2m2", "chance", "50 %", "are rendered", "fewact demo --clips"):
        assert text in ended.out
    folder = tmp_path / "demo"
    assert tuple(FewShotClassifier.load(folder / "model").classes_) == SHORT
    files = {path: path.read_bytes() for path in folder.rglob("*.mp4")}
    assert sorted(str(path.relative_to(folder)) for path in files) == [
        *(f"{part}/{name}/{i}.mp4" for part, i in (("new", 2), ("training", 1)) for name in SHORT),
    ]
    line = next(line for line in ended.out.splitlines() if "Try: fewact" in line)
    assert run(*shlex.split(line.partition("Try: fewact ")[2])).code == 0

    assert run("demo").code == 0  # again, with the same clips
    assert {path: path.read_bytes() for path in folder.rglob("*.mp4")} == files
    (folder / "mine.txt").write_text("mine")
    refused = run("demo")
    assert refused.code == 2
    assert "other files" in refused.err


@pytest.mark.slow
def test_the_demo_on_clips_of_the_user(run: Run, clips: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(clips / "growing", own / "growing")
    shutil.copytree(clips / "turning", own / "größer & <kleiner>")
    shutil.copytree(clips / "moving left", own / "single")
    (own / "single" / "2.mp4").unlink()
    ended = run("demo", "--clips", own, "-o", tmp_path / "out")
    assert ended.code == 0
    assert 'The class "single" has only one clip' in ended.err
    assert "3 training clips of 3 classes, 2 new clips." in ended.out
    assert "are rendered" not in ended.out
    assert not (tmp_path / "out" / "training").exists()
    assert len(FewShotClassifier.load(tmp_path / "out" / "model").fitted_.clips) == 3


def test_clips_that_are_too_few_and_folders_with_other_files_are_refused(
    run: Run, clips: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    for action in ("growing", "turning"):
        (own / action).mkdir(parents=True)
        shutil.copy(clips / action / "1.mp4", own / action)
    ended = run("demo", "--clips", own, "-o", tmp_path / "out")
    assert ended.code == 2
    assert "no clip is left to predict" in ended.err
    assert not (tmp_path / "out").exists()
    assert run("demo", "--clips", tmp_path / "nowhere", "-o", tmp_path / "out").code == 2
    assert "other files" in run("demo", "-o", clips).err


@pytest.mark.slow
def test_the_picture_shows_what_the_demo_prints(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / ".ci"))
    from demo_picture import PICTURE, picture

    monkeypatch.chdir(tmp_path)
    printed = picture(run("demo", "--quiet").out)
    assert printed == PICTURE.read_text(encoding="utf-8"), "run: python .ci/demo_picture.py"
