"""``fewact demo`` from end to end, on few and small clips."""

import shlex
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.cli.demo import rendered

Run = Callable[..., Any]
SHORT = ("falls, then slides left", "slides left, then falls")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes with one clip to teach and one to predict."""
    monkeypatch.setattr(rendered, "CLASSES", SHORT)
    monkeypatch.setattr(rendered, "EXAMPLES", 1)
    monkeypatch.setattr(rendered, "NEW", 1)


@pytest.mark.slow
def test_the_demo_on_rendered_clips(
    run: Run, short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("demo")
    assert ended.code == 0
    assert not ended.err
    assert "2 training clips of 2 classes, 2 new clips." in ended.out
    for text in ("auto (fusion)", "a2m2", "chance", "50 %", "are rendered", "fewact demo --clips"):
        assert text in ended.out
    demo = tmp_path / "demo"
    assert tuple(FewShotClassifier.load(demo / "model").classes_) == SHORT
    assert ET.parse(demo / "result.svg").getroot().tag.endswith("svg")
    files = sorted(str(path.relative_to(demo)) for path in demo.rglob("*.mp4"))
    assert files == [
        *(f"{part}/{name}/{i}.mp4" for part, i in (("new", 2), ("training", 1)) for name in SHORT),
    ]
    line = next(line for line in ended.out.splitlines() if "Try: fewact" in line)
    assert run(*shlex.split(line.partition("Try: fewact ")[2])).code == 0

    (demo / "result.svg").write_text("mine now")
    refused = run("demo")
    assert refused.code == 2
    assert "result.svg" in refused.err
    assert (demo / "result.svg").read_text() == "mine now"


@pytest.mark.slow
def test_the_demo_on_clips_of_the_user(run: Run, clips: Path, broken: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(clips / "growing", own / "growing")
    shutil.copytree(clips / "turning", own / "größer & <kleiner>")
    shutil.copytree(clips / "moving left", own / "single")
    (own / "single" / "2.mp4").unlink()
    ended = run("demo", "--clips", own, "-o", tmp_path / "out")
    assert ended.code == 0
    assert ended.err == (
        'The class "single" has only one clip: it is used for training, not predicted.\n'
    )
    assert "3 training clips of 3 classes, 2 new clips." in ended.out
    assert "are rendered" not in ended.out
    assert not (tmp_path / "out" / "training").exists()
    assert ET.parse(tmp_path / "out" / "result.svg")
    assert len(FewShotClassifier.load(tmp_path / "out" / "model").clips_) == 3

    again = run("demo", "--clips", own, "-o", clips)
    assert again.code == 2
    assert "other files" in again.err


def test_clips_that_are_broken_or_too_few_are_refused(
    run: Run, clips: Path, broken: Path, tmp_path: Path
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
