"""``fewact poses``: files that can be read again, pictures, and exit codes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fewact.cli import main
from fewact.data.poses.file import read_track
from fewact.poses.reading import FRAMES_AT_ONCE
from fewact.video import probe, write_video

ESTIMATOR = "tests.poses.made_up:brightest"
FPS, SECONDS, SIDE = 32, 6, 64


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of the same name in two folders: a bright square that moves to the right."""
    folder = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(("jump", "wave")):
        frames = np.zeros((FPS * SECONDS, SIDE, SIDE, 3), np.uint8)
        for i, frame in enumerate(frames):
            x = 8 + i * 40 // len(frames)
            frame[16 + 16 * number :, x : x + 8][:8] = 250
        (folder / name).mkdir()
        write_video(folder / name / "1.mp4", frames, FPS)
    return folder


def run(*words: object) -> int:
    return main(["poses", *map(str, words)])


def test_joints_of_videos_are_written(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--pose", ESTIMATOR, "--picture", "--video")
    assert run(videos, "-o", tmp_path / "out", *options) == 0
    assert "100%" in capsys.readouterr().out
    for number, name in enumerate(("jump", "wave")):
        stem = tmp_path / "out" / name / "1.poses"
        track = read_track(stem.with_suffix(".poses.npz"))
        assert track.layout == "2:xyc"
        assert track.times is not None
        assert len(track.times) == 16 * SECONDS > FRAMES_AT_ONCE
        assert np.diff(track.times) == pytest.approx(1 / 16, abs=1e-3)
        places = track.places[:, 0]
        assert (np.diff(places[:, 0]) > -0.15).all()
        assert places[-1, 0] - places[0, 0] > 0.4
        assert abs(np.median(places[:, 1]) - (20 + 16 * number) / SIDE) < 0.1
        with Image.open(stem.with_suffix(".poses.png")) as picture:
            assert picture.size == (4 * 270, 3 * 270)
        drawn = probe(stem.with_suffix(".poses.mp4"))
        assert (drawn.width, drawn.height) == (SIDE, SIDE)
        assert drawn.duration == pytest.approx(SECONDS, abs=0.2)


def test_a_damaged_file_is_skipped(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    code = run(tmp_path / "bad.mp4", videos / "jump", "-o", tmp_path / "out", "--pose", ESTIMATOR)
    assert code == 3
    assert "bad.mp4" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "out").rglob("*.npz")] == ["1.poses.npz"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("{videos}",),
        ("{videos}", "-o", "{new}", "--pose", "nobody"),
        ("{videos}/missing.mp4", "-o", "{new}", "--pose", ESTIMATOR),
        ("{videos}/jump/1.mp4", "{videos}/wave/1.mp4", "-o", "{new}", "--pose", ESTIMATOR),
        ("{videos}", "-o", "{videos}/jump/1.mp4", "--pose", ESTIMATOR),
    ],
)
def test_faults_of_the_user(
    words: tuple[str, ...], videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(word.format(videos=videos, new=tmp_path / "new") for word in words)) == 2
    assert "Error: " in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.npz"))


def test_a_file_is_not_replaced_unasked(videos: Path, tmp_path: Path) -> None:
    file = tmp_path / "1.poses.npz"
    file.write_bytes(b"of the user")
    words = (videos / "jump" / "1.mp4", "-o", tmp_path, "--pose", ESTIMATOR)
    assert run(*words) == 2
    assert file.read_bytes() == b"of the user"
    assert run(*words, "--overwrite") == 0
    assert read_track(file).layout == "2:xyc"


@pytest.mark.usefixtures("capsys")
def test_networks_are_installed_if_requested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fewact.poses.weights.install", lambda: Path("kept.task"))
    assert run("--install") == 0
    assert capsys.readouterr().out == "Saved to kept.task\n"


@pytest.mark.assets
def test_a_model_reads_them(networks_file: Path, assets: Path, tmp_path: Path, capsys: Any) -> None:
    clip = sorted((assets / "clips" / "utd5_rgb").rglob("*.mp4"))[0]
    assert run(clip, "-o", tmp_path, "--pose", f"mediapipe:{networks_file}") == 0
    track = read_track(tmp_path / f"{clip.stem}.poses.npz")
    assert track.layout == "pose33:xyzc"
    assert track.present.all(1).mean() > 0.9
