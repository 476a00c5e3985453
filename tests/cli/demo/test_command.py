"""``fewact demo`` from end to end, on few and small clips."""

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.cli.demo import clips as rendered
from fewact.cli.demo import command

Run = Callable[..., Any]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two actions, of each of which one clip is taught and one predicted."""
    actions = {name: rendered.ACTIONS[name] for name in ("growing", "turning")}
    monkeypatch.setattr(rendered, "ACTIONS", actions)
    monkeypatch.setattr(rendered, "FRAMES", 16)
    monkeypatch.setattr(command, "TAUGHT", 1)
    monkeypatch.setattr(command, "NEW", 1)


@pytest.mark.slow
def test_rendered_clips(
    run: Run, short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("demo")
    assert ended.code == 0
    assert not ended.err
    assert "2 clips of 2 classes taught, 2 predicted." in ended.out
    for text in ("auto (fusion)", "a2m2", "chance", "50 %", "motion alone", "fewact demo --clips"):
        assert text in ended.out
    demo = tmp_path / "demo"
    assert FewShotClassifier.load(demo / "model").classes_ == ("growing", "turning")
    assert ET.parse(demo / "result.svg").getroot().tag.endswith("svg")
    files = sorted(str(path.relative_to(demo)) for path in demo.rglob("*.mp4"))
    assert files == [
        *("new/growing/2.mp4", "new/turning/2.mp4", "taught/growing/1.mp4", "taught/turning/1.mp4"),
    ]
    typed = next(line for line in ended.out.splitlines() if "try: fewact" in line)
    assert run(*typed.partition("try: fewact ")[2].split()).code == 0

    (demo / "result.svg").write_text("mine now")
    refused = run("demo")
    assert refused.code == 2
    assert "result.svg" in refused.err
    assert (demo / "result.svg").read_text() == "mine now"


@pytest.mark.slow
def test_own_clips(run: Run, clips: Path, broken: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(clips / "growing", own / "growing")
    shutil.copytree(clips / "turning", own / "größer & <kleiner>")
    shutil.copytree(clips / "moving left", own / "single")
    (own / "single" / "2.mp4").unlink()
    ended = run("demo", "--clips", own, "-o", tmp_path / "out")
    assert ended.code == 0
    assert ended.err == (
        'The class "single" has one clip: it is taught, and none is left to predict.\n'
    )
    assert "3 clips of 3 classes taught, 2 predicted." in ended.out
    assert "motion alone" not in ended.out
    assert not (tmp_path / "out" / "taught").exists()
    assert ET.parse(tmp_path / "out" / "result.svg")
    assert len(FewShotClassifier.load(tmp_path / "out" / "model").clips_) == 3

    again = run("demo", "--clips", own, "-o", clips)
    assert again.code == 2
    assert "something else" in again.err


def test_own_clips_that_are_broken_or_too_few(
    run: Run, clips: Path, broken: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    for action in ("growing", "turning"):
        (own / action).mkdir(parents=True)
        shutil.copy(clips / action / "1.mp4", own / action)
    ended = run("demo", "--clips", own, "-o", tmp_path / "out")
    assert ended.code == 2
    assert "none is left to predict" in ended.err
    assert not (tmp_path / "out").exists()
    assert run("demo", "--clips", tmp_path / "nowhere", "-o", tmp_path / "out").code == 2
