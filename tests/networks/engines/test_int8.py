"""Arithmetic in int8."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import FewShotClassifier, networks
from fewact.core.errors import OptionError
from fewact.lab.networks.export import export_encoder, missing_packages
from fewact.networks import engines
from fewact.networks.engines import LARGEST, PROBE, rounded, saturates

exact = pytest.mark.skipif(saturates(), reason="eight-bit products saturate on this processor")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_weights_are_rounded_by_channel():
    weight = torch.tensor([[1.27, -0.5], [0.0, 0.0], [-254.0, 3.0]])[:, :, None, None]
    bias = torch.tensor([0.1, 0.2, -1.0])
    found = rounded({"a.weight": weight, "a.bias": bias}, {"a": 0.5})
    assert found["a.weight_quantized"].flatten(1).tolist() == [[127, -50], [0, 0], [-127, 2]]
    assert found["a.weight_scale"].tolist() == pytest.approx([0.01, 1.0, 2.0])
    assert found["a.bias_quantized"].tolist() == [20, 0, -1]
    assert found["a.bias_quantized_scale"].tolist() == pytest.approx([0.005, 0.5, 1.0])
    assert not found["a.weight_zero_point"].any()
    assert not found["a.bias_quantized_zero_point"].any()


def test_a_bias_far_above_its_weights_stays_finite():
    weight = torch.full((1, 1, 1, 1), 1e-30)
    found = rounded({"a.weight": weight, "a.bias": torch.ones(1)}, {"a": 0.5})
    assert found["a.bias_quantized"].tolist() == [torch.iinfo(torch.int32).max]


def test_products_are_exact_where_they_do_not_saturate():
    """The probe multiplies as ONNX Runtime does in a network."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(PROBE.read_bytes(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    left = rng.integers(0, 256, (5, 33)).astype(np.uint8)
    right = rng.integers(-LARGEST, LARGEST + 1, (33, 7)).astype(np.int8)
    (found,) = session.run(None, {"left": left, "right": right})
    if not saturates():
        assert (found == left.astype(np.int32) @ right.astype(np.int32)).all()


@exact
@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_int8_is_computed_by_onnx(cache, engine):
    card = networks.create(device="cpu", precision="int8", engine=engine).card
    assert (card.precision, card.engine) == ("int8", "onnx")
    assert len(list((cache / "engines").iterdir())) == 1


@exact
def test_features_depend_neither_on_company_nor_on_threads(cache):
    backbone = networks.create("efficientnet-lite0", device="cpu", precision="int8")
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (6, 3, 224, 224), dtype=torch.uint8, generator=generator)
    together = backbone.features(frames, ["middle", "vectors"])
    for level, alone in backbone.features(frames[4:5], ["middle", "vectors"]).items():
        assert torch.equal(alone[0], together[level][4])


@exact
@pytest.mark.assets
@pytest.mark.slow
def test_real_clips_have_nearly_the_same_features_and_the_same_answers(cache, assets):
    folder = assets / "clips" / "utd5_rgb"
    classes = sorted(path for path in folder.iterdir() if path.is_dir())[:3]
    taught = {path.name: sorted(path.iterdir())[:2] for path in classes}
    queries = [one for path in classes for one in sorted(path.iterdir())[2:5]]
    answers = []
    for precision in ("float32", "int8"):
        classifier = FewShotClassifier(precision=precision).fit(taught)
        answers.append([one.label for one in classifier.predict(queries)])
    assert sum(a == b for a, b in zip(*answers, strict=True)) >= 8


def test_int8_is_refused_where_products_saturate(cache, monkeypatch):
    monkeypatch.setattr(engines, "saturates", lambda: True)
    with pytest.raises(OptionError, match=r"saturate on this processor.*precision \"auto\""):
        networks.create(device="cpu", precision="int8")
    assert networks.create(device="cpu", precision="float32").card.precision == "float32"


def test_int8_is_refused_for_other_networks(random_backbone):
    with pytest.raises(OptionError, match="no graph of this network in int8"):
        random_backbone("resnet50", precision="int8", engine="auto")


def test_int8_is_refused_on_other_devices():
    with pytest.raises(OptionError, match="computed by the engine onnx on a CPU only"):
        networks.create(precision="int8", device="meta")


@pytest.mark.skipif(bool(missing_packages()), reason="the extra onnx is not installed")
def test_int8_is_not_exported_as_float32(random_backbone, tmp_path):
    made = random_backbone("efficientnet-lite0")
    int8_backbone = networks.Backbone(made.network, replace(made.card, precision="int8"))
    with pytest.raises(OptionError, match="a network in int8 cannot be exported"):
        export_encoder(int8_backbone, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


def test_wrong_features_are_noticed(cache, monkeypatch):
    def wrong(tensors, scales):
        found = rounded(tensors, scales)
        return {k: v // 2 if k.endswith("bias_quantized") else v for k, v in found.items()}

    monkeypatch.setattr(engines, "saturates", lambda: False)
    monkeypatch.setattr(engines, "rounded", wrong)
    with pytest.raises(OptionError, match="its features differ from those of torch"):
        networks.create(device="cpu", precision="int8")
