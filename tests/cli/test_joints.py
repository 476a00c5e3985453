"""Joints on the command line: ``--poses`` and ``--pose`` in all commands that read clips."""

from pathlib import Path

import numpy as np
import pytest

from fewact.cli import main
from fewact.data.joints import JointTrack
from fewact.data.poses.file import write_track
from fewact.video import write_video
from tests.classifier.test_few_shot_joints import (
    ACTIONS,
    ESTIMATOR,
    FPS,
    LAYOUT,
    body,
    pictures,
    with_painted,
)
from tests.cli.conftest import Ran, refused

SEEDS = range(2)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def write(root: Path, seeds: range) -> None:
    """Write clips whose pictures are noise, and joints in a folder of the same names."""
    for number, action in enumerate(ACTIONS):
        for seed in seeds:
            values = body(action, 10 * seed + number)
            video = root / "clips" / action / f"{seed}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            frames = with_painted(pictures(100 * seed + number), values)
            write_video(video, frames.repeat(4, 1).repeat(4, 2), FPS)
            file = root / "poses" / action / f"{seed}.poses.npz"
            write_track(file, JointTrack(values, LAYOUT))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with ``clips`` and ``poses``, a model of both, and a folder with new ones."""
    root, new = (tmp_path_factory.mktemp(name) for name in ("taught", "new"))
    write(root, SEEDS)
    write(new, range(7, 8))
    words = ["teach", root / "clips", "-o", root / "model", "--poses", root / "poses", "-q"]
    assert main([str(word) for word in words]) == 0
    return root, new


def test_commands_read_joints(run, taught: tuple[Path, Path], tmp_path: Path) -> None:
    root, new = taught
    model, poses = root / "model", new / "poses"
    assert f"6 of 6 clips ({LAYOUT})" in run("info", model).out
    video = new / "clips" / "squat" / "7.mp4"
    ended = run("predict", model, video, "--poses", poses, "--format", "csv", "-q")
    assert (ended.code, ended.out.splitlines()[1].split(",")[2]) == (0, "squat")
    assert "1 of 1" in ended.err
    assert "has no joints" not in ended.err
    ended = run("test", model, new / "clips", "--poses", poses, "--false-alarms", "1", "-q")
    assert "3 of 3" in ended.out
    ended = run("explain", model, video, "--poses", poses, "-o", tmp_path / "why.html")
    assert "joints: +" in ended.out
    ended = run("watch", model, video, "--poses", poses, "--false-alarms", "1", "-q")
    assert "squat" in ended.out
    before = run("info", model, "--clips").out
    ended = run("add", model, "squat", video, "--poses", poses)
    assert ended.code == 0
    assert f"7 of 7 clips ({LAYOUT})" in run("info", model).out
    assert run("undo", model).code == 0
    assert run("info", model, "--clips").out.splitlines()[:5] == before.splitlines()[:5]


def test_a_clip_without_joints_is_said(run, taught: tuple[Path, Path]) -> None:
    root, new = taught
    video = new / "clips" / "turn" / "7.mp4"
    ended = run("predict", root / "model", video, "-q")
    assert ended.code == 0
    assert ended.err.count(LAYOUT) == 1


def test_joints_beside_clips_are_found_unless_they_are_off(
    run, taught: tuple[Path, Path], tmp_path: Path
) -> None:
    write(tmp_path, range(1))
    for file in (tmp_path / "poses").glob("*/*"):
        file.rename(tmp_path / "clips" / file.relative_to(tmp_path / "poses"))
    ended = run("teach", tmp_path / "clips", "-o", tmp_path / "m", "-q")
    assert f"Joints: 3 of 3 clips ({LAYOUT})" in ended.out
    words = ("-o", tmp_path / "off", "--poses", "off", "-q")
    assert "Joints" not in run("teach", tmp_path / "clips", *words).out
    ended = run("predict", taught[0] / "model", tmp_path / "clips", "-q")
    assert f"Joints of 3 of 3 clips ({LAYOUT})" in ended.err


def test_joints_are_estimated(run, taught: tuple[Path, Path], tmp_path: Path) -> None:
    root, new = taught
    words = ("-o", tmp_path / "m", "--pose", ESTIMATOR, "-q")
    ended = run("teach", root / "clips", *words)
    assert f"6 of 6 clips ({LAYOUT}), estimated by {ESTIMATOR}" in ended.out
    words = ("--pose", ESTIMATOR, "--false-alarms", "1", "-q")
    assert "3 of 3" in run("test", tmp_path / "m", new / "clips", *words).out
    video = new / "clips" / "reach" / "7.mp4"
    ended = run("predict", tmp_path / "m", video, "--pose", ESTIMATOR, "--timing", "-q")
    assert "reach" in ended.out
    assert "pose " in ended.err


def test_what_cannot_be_is_refused(run, taught: tuple[Path, Path], model, tmp_path: Path) -> None:
    root, new = taught
    clips, video = root / "clips", new / "clips" / "turn" / "7.mp4"
    (tmp_path / "empty").mkdir()
    for poses in (tmp_path / "empty", tmp_path / "none.npz"):
        ended = run("teach", clips, "-o", tmp_path / "m", "--poses", poses)
        refused(ended, poses.name)
    refused(run("predict", model, video, "--poses", new / "poses"), "--poses", "teach")
    refused(run("predict", model, video, "--pose", ESTIMATOR), "--pose", "teach")
    refused(run("watch", model, video, "--pose", ESTIMATOR), "--pose", "teach")
    refused(run("predict", root / "model", video, "--pose", "no_such"), "no_such", "mediapipe")
    other = "tests.poses.made_up:brightest"
    ended = run("predict", root / "model", video, "--pose", other)
    assert ended.code == 2
    assert "2:xyc" in ended.err
    np.savez(tmp_path / "f.npz", features=np.ones((2, 4, 5), np.float32))
    (tmp_path / "f.tsv").write_text("clip\tclass\na\tx\nb\ty\n")
    ended = run("teach", tmp_path / "f.npz", "-o", tmp_path / "m", "--poses", new / "poses")
    refused(ended, "--poses")
