"""The examples for programs run: a server, and ONNX Runtime without fewact."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.video import write_video

EXAMPLES = Path(__file__).parents[2] / "examples"
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of two colours, whose brightness changes."""
    root = tmp_path_factory.mktemp("clips")
    for name, colour in COLOURS.items():
        for number in range(3):
            frames = np.tile(np.array(colour, np.uint8), (16, 48, 64, 1))
            frames[:, 4 * number : 20 + 4 * number] //= 2
            folder = root / ("taught" if number < 2 else "new") / name
            folder.mkdir(parents=True, exist_ok=True)
            write_video(folder / f"{number}.mp4", frames, 8)
    return root


@pytest.mark.slow
def test_a_server_answers_uploads(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi.testclient import TestClient

    model = FewShotClassifier(method="protonet").fit(clips / "taught").save(tmp_path / "model")
    monkeypatch.setenv("MODEL", str(model))
    server = runpy.run_path(str(EXAMPLES / "server.py"))["app"]
    with TestClient(server) as client:
        for name in COLOURS:
            with (clips / "new" / name / "2.mp4").open("rb") as file:
                answer = client.post("/predict", files={"video": ("new.mp4", file)})
            assert answer.status_code == 200
            assert (answer.json()["label"], answer.json()["path"]) == (name, "new.mp4")
        refused = client.post("/predict", files={"video": ("x.mp4", b"no video")})
        assert (refused.status_code, "is not a video" in refused.text) == (422, True)
        assert str(tmp_path) not in refused.text
        # What is too large, or has no size, is refused before it is received.
        for size in (str(2**30), ""):
            headers = {"content-type": "multipart/form-data; boundary=x", "content-length": size}
            refused = client.post("/predict", content=b"--x", headers=headers)
            assert (refused.status_code, "too large" in refused.text) == (413, True)
        assert client.get("/docs").status_code == 200


@pytest.mark.slow
def test_an_exported_network_needs_no_fewact(clips: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    model = FewShotClassifier(method="protonet").fit(clips / "taught").save(tmp_path / "model")
    assert main(["export", str(model), "--onnx", str(tmp_path / "encoder.onnx")]) == 0
    code = (
        "import runpy, sys; sys.modules['torch'] = sys.modules['fewact'] = None; "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    taught = tmp_path / "clips"
    shutil.copytree(clips / "taught", taught)
    for name in list(COLOURS)[:2]:
        # Clips of no class: the query itself would be the nearest one.
        shutil.rmtree(taught / "None", ignore_errors=True)
        shutil.copytree(clips / "new" / name, taught / "None")
        words = [EXAMPLES / "onnx_encoder.py", tmp_path / "encoder.onnx", taught]
        command = [sys.executable, "-c", code, *words, clips / "new" / name / "2.mp4"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout.split()[:1] == [name], done.stderr


def test_features_have_no_network_to_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fewact.data import FeatureClip

    clips = [
        FeatureClip(f"{label}{i}", np.full((4, 8), i + 10.0 * j, np.float32), label)
        for j, label in enumerate("ab")
        for i in range(2)
    ]
    model = FewShotClassifier(method="protonet").fit(clips).save(tmp_path / "model")
    assert main(["export", str(model), "--onnx", str(tmp_path / "x.onnx")]) == 2
    assert "it has no network" in capsys.readouterr().err
