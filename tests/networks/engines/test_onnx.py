"""The engine ``onnx`` on the default weights: the same features as torch, whatever the run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fewact import networks
from fewact.networks import Backbone

LEVELS = ("shallow", "middle", "maps", "vectors")


@pytest.fixture(scope="module")
def by_onnx() -> Backbone:
    return networks.create("efficientnet-lite0", device="cpu", engine="onnx")


@pytest.fixture(scope="module")
def by_torch() -> Backbone:
    return networks.create("efficientnet-lite0", device="cpu", engine="torch", precision="float32")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_features_agree_with_those_of_torch(by_onnx, by_torch, frames):
    found, expected = (one.features(frames, LEVELS) for one in (by_onnx, by_torch))
    for level in LEVELS:
        assert found[level].shape == expected[level].shape
        assert found[level].dtype == torch.float32
        assert found[level].is_contiguous()
        scale = expected[level].abs().max()
        assert (found[level] - expected[level]).abs().max() <= 1e-4 * scale, level


def test_features_do_not_depend_on_other_frames_or_on_threads(by_onnx, frames, threads):
    expected = [by_onnx.features(frame[None], LEVELS) for frame in frames]
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        for chosen in ([0, 1, 2, 3, 4], [4, 2], [1, 1, 3]):
            found = by_onnx.features(frames[chosen], LEVELS)
            for level in LEVELS:
                for row, index in enumerate(chosen):
                    assert torch.equal(found[level][row], expected[index][level][0])


def test_each_level_alone_is_the_same(by_onnx, frames):
    together = by_onnx.features(frames[:1], LEVELS)
    for level in LEVELS:
        assert torch.equal(by_onnx.features(frames[:1], [level])[level], together[level])


def test_the_middle_alone_does_not_run_the_last_stage(frames, monkeypatch):
    backbone = networks.create("efficientnet-lite0", device="cpu", engine="onnx")
    expected = backbone.features(frames[:1], LEVELS)["middle"]
    (*early, late) = backbone.engine._graphs
    monkeypatch.setattr(backbone.engine, "_graphs", [*early, (late[0], None)])
    assert torch.equal(backbone.features(frames[:1], ["middle"])["middle"], expected)
    with pytest.raises(AttributeError, match="run"):
        backbone.features(frames[:1], ["vectors"])


def test_methods_can_be_trained_on_features(by_onnx, frames):
    features = by_onnx.features(frames[:2], ["vectors"])["vectors"]
    layer = torch.nn.Linear(1280, 1)
    layer(features).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_cards_differ_in_the_engine_alone(by_onnx, by_torch):
    assert (by_onnx.card.engine, by_torch.card.engine) == ("onnx", "torch")
    assert by_onnx.card.digest != by_torch.card.digest
    assert by_onnx.card.network_digest == by_torch.card.network_digest


@pytest.mark.slow
def test_onnx_runtime_collects_no_usage_data(tmp_path: Path) -> None:
    """It would keep it in a database in the home folder, and send it."""
    code = "from fewact import backbones; networks.create(device='cpu', engine='onnx')"
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert not list(tmp_path.iterdir())
