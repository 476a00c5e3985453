"""The engine ``onnx``: the same features as torch, whatever the run; arithmetic in int8."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact import FewShotClassifier, networks
from fewact.core import workers
from fewact.core.errors import OptionError, WeightsError
from fewact.lab import networks as lab
from fewact.networks import Backbone, Level, building, onnx_engine
from fewact.networks.onnx_engine import LARGEST_INT8, PROBE, read_graphs, rounded, saturates
from fewact.networks.packaged import GRAPHS_FOLDER

LEVELS: tuple[Level, ...] = ("shallow", "middle", "maps", "vectors")
TWO: tuple[Level, ...] = ("middle", "vectors")

exact = pytest.mark.skipif(saturates(), reason="eight-bit products saturate on this processor")


@pytest.fixture(scope="module")
def by_onnx() -> Backbone:
    return networks.create("efficientnet-lite0", device="cpu")


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    workers._workers.cache_clear()


@pytest.mark.parametrize("size", [96, 160, 0])
@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite0-lite1"])
def test_features_agree_with_those_of_torch(
    name: str, size: int, images: NDArray[np.uint8]
) -> None:
    by_onnx = networks.create(name, device="cpu", size=size)
    by_torch = lab.create(name, device="cpu", precision="float32", size=size)
    frames = by_onnx.prepare(images[0])
    found, expected = (one.features(frames, LEVELS) for one in (by_onnx, by_torch))
    for level in LEVELS:
        assert found[level].shape == expected[level].shape
        scale = np.abs(expected[level]).max()
        assert np.abs(found[level] - expected[level]).max() <= 1e-4 * scale, level
    assert (by_onnx.card.engine, by_torch.card.engine) == ("onnx", "torch")
    assert by_onnx.card.digest != by_torch.card.digest
    assert by_onnx.card.network_digest == by_torch.card.network_digest


def test_features_do_not_depend_on_other_frames_or_on_threads(
    by_onnx: Backbone, frames: NDArray[np.uint8], threads: pytest.MonkeyPatch
) -> None:
    expected = [by_onnx.features(frame[None], LEVELS) for frame in frames]
    for count in (1, 2, 3):
        threads.setenv("OMP_NUM_THREADS", str(count))
        for chosen in ([0, 1, 2, 3, 4], [4, 2], [1, 1, 3]):
            found = by_onnx.features(frames[chosen], LEVELS)
            for level in LEVELS:
                for row, index in enumerate(chosen):
                    np.testing.assert_array_equal(found[level][row], expected[index][level][0])


def test_each_level_alone_is_the_same(by_onnx: Backbone, frames: NDArray[np.uint8]) -> None:
    together = by_onnx.features(frames[:1], LEVELS)
    for level in LEVELS:
        alone = by_onnx.features(frames[:1], [level])[level]
        np.testing.assert_array_equal(alone, together[level])


def test_the_middle_alone_does_not_run_the_last_stage(
    frames: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone: Any = networks.create("efficientnet-lite0", device="cpu")
    expected = backbone.features(frames[:1], LEVELS)["middle"]
    (*early, late) = backbone.engine._graphs
    monkeypatch.setattr(backbone.engine, "_graphs", [*early, (late[0], None)])
    np.testing.assert_array_equal(backbone.features(frames[:1], ["middle"])["middle"], expected)
    with pytest.raises(AttributeError, match="run"):
        backbone.features(frames[:1], ["vectors"])


def test_a_damaged_graph_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    shutil.copytree(GRAPHS_FOLDER / "efficientnet-lite0", folder)
    path = folder / "late.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError) as raised:
        read_graphs(folder)
    assert raised.value.where == str(path)


def test_onnx_runtime_may_come_from_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as ``onnxruntime-gpu``, whose version is not that of a package ``onnxruntime``."""
    (tmp_path / "other_runtime.py").write_text("from onnxruntime import *\n__version__ = '1.30'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(onnx_engine, "RUNTIME", "other_runtime")
    assert networks.create(weights="random", device="cpu").card.engine == "onnx"


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_onnx_runtime_that_cannot_be_loaded_says_why(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_runtime.py").write_text('raise ImportError("DLL load failed")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(onnx_engine, "RUNTIME", "broken_runtime")
    with pytest.raises(OptionError) as raised:
        networks.create(weights="random", device="cpu", precision=precision)
    assert raised.value.got == "DLL load failed"


@pytest.mark.slow
def test_onnx_runtime_collects_no_usage_data(tmp_path: Path) -> None:
    """It would keep it in a database in the home folder, and send it."""
    code = "from fewact import networks; networks.create(device='cpu')"
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert not list(tmp_path.iterdir())


def test_weights_are_rounded_by_channel() -> None:
    weight = np.array([[1.27, -0.5], [0.0, 0.0], [-254.0, 3.0]], np.float32)[:, :, None, None]
    bias = np.array([0.1, 0.2, -1.0], np.float32)
    found = rounded({"a.weight": weight, "a.bias": bias}, {"a": 0.5})
    assert found["a.weight_quantized"][..., 0, 0].tolist() == [[127, -50], [0, 0], [-127, 2]]
    assert found["a.weight_scale"].tolist() == pytest.approx([0.01, 1.0, 2.0])
    assert found["a.bias_quantized"].tolist() == [20, 0, -1]
    assert found["a.bias_quantized_scale"].tolist() == pytest.approx([0.005, 0.5, 1.0])
    assert not found["a.weight_zero_point"].any()
    assert not found["a.bias_quantized_zero_point"].any()


def test_a_bias_far_above_its_weights_stays_finite() -> None:
    weight = np.full((1, 1, 1, 1), 1e-30, np.float32)
    found = rounded({"a.weight": weight, "a.bias": np.ones(1, np.float32)}, {"a": 0.5})
    assert found["a.bias_quantized"].tolist() == [np.iinfo(np.int32).max]


def test_products_are_exact_where_they_do_not_saturate() -> None:
    """The probe multiplies as ONNX Runtime does in a network."""
    import onnxruntime

    session = onnxruntime.InferenceSession(PROBE.read_bytes(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    left = rng.integers(0, 256, (5, 33)).astype(np.uint8)
    right = rng.integers(-LARGEST_INT8, LARGEST_INT8 + 1, (33, 7)).astype(np.int8)
    (found,) = session.run(None, {"left": left, "right": right})
    if not saturates():
        assert (found == left.astype(np.int32) @ right.astype(np.int32)).all()


@exact
@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_int8_is_computed_by_onnx(engine: str, frames: NDArray[np.uint8]) -> None:
    backbone = networks.create("efficientnet-lite0", precision="int8", engine=engine)
    assert (backbone.card.precision, backbone.card.engine) == ("int8", "onnx")
    together = backbone.features(frames, TWO)
    for level, alone in backbone.features(frames[4:5], TWO).items():
        np.testing.assert_array_equal(alone[0], together[level][4])


@exact
@pytest.mark.assets
@pytest.mark.slow
def test_real_clips_have_the_same_answers_in_int8(assets: Path) -> None:
    folder = assets / "clips" / "utd5_rgb"
    classes = sorted(path for path in folder.iterdir() if path.is_dir())[:3]
    support = {path.name: sorted(path.iterdir())[:2] for path in classes}
    queries = [clip for path in classes for clip in sorted(path.iterdir())[2:5]]
    answers = []
    for precision in ("float32", "int8"):
        classifier = FewShotClassifier(precision=precision).fit(support)
        answers.append([one.label for one in classifier.predict(queries)])
    assert sum(a == b for a, b in zip(*answers, strict=True)) >= 8


def test_int8_is_refused_where_products_saturate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "saturates", lambda: True)
    with pytest.raises(OptionError) as raised:
        networks.create(device="cpu", precision="int8")
    assert raised.value.where == "precision"
    assert networks.create(device="cpu", precision="float32").card.precision == "float32"
