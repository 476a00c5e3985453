"""Networks are found in the files that have them, and other files are refused."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fewact.core.errors import WeightsError
from fewact.poses import weights


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, member in members.items():
            file.writestr(name.replace("__", "/") + ".tflite", member)
    return content.getvalue()


def test_networks_of_a_task_file_and_of_a_wheel() -> None:
    task = archive(pose_detector=b"d", pose_landmarks_detector=b"l")
    wheel = archive(
        mediapipe__modules__pose_landmark__pose_landmark_lite=b"lite",
        mediapipe__modules__pose_landmark__pose_landmark_full=b"full",
        mediapipe__modules__pose_detection__pose_detection=b"d",
    )
    assert weights.of_archive(task, "a.task") == (b"d", b"l")
    assert weights.of_archive(wheel, "a.whl") == (b"d", b"full")


@pytest.mark.parametrize(
    "content", [b"", b"no zip file", archive(hand_detector=b"d"), archive(pose_detector=b"d")]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.task"
    file.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        weights.read_networks(str(file))
    assert caught.value.where == str(file)
    assert ".task" in caught.value.expected


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.read_networks(str(tmp_path / "missing.task"))
    assert caught.value.where == str(tmp_path / "missing.task")


def test_networks_that_differ_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        folder = Path(command[command.index("--dest") + 1])
        networks = archive(pose_detection=b"another", pose_landmark_full=b"network")
        (folder / "mediapipe.whl").write_bytes(networks)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(WeightsError) as caught:
        weights.install()
    assert caught.value.expected == weights.NETWORKS_SHA256
    assert not list(tmp_path.rglob("*.task"))


def test_pip_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], 1, "", "no route to host")
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(WeightsError) as caught:
        weights.install()
    assert caught.value.got == "no route to host"
    assert "mediapipe:FILE" in caught.value.hint


def test_installed_networks_are_those_of_the_wheel(networks_file: Path) -> None:
    import hashlib

    networks = weights.read_networks(str(networks_file))
    assert hashlib.sha256(b"".join(networks)).hexdigest() == weights.NETWORKS_SHA256
