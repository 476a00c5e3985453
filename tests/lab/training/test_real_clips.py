"""A few steps of training on real clips with real weights, from stored maps and from frames."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.datasets import read_index
from fewact import networks
from fewact.data import VideoList
from fewact.lab.evaluation import checkpoint
from fewact.lab.training import TrainingData, read, train

SHORT = {
    "stages.0.steps": 1,
    "stages.0.batch": 4,
    "stages.1.steps": 1,
    "stages.1.ways": 3,
    "stages.1.queries": 1,
    "stages.1.accumulate": 1,
    "validation.ways": 2,
    "validation.count": 5,
}


@pytest.fixture
def data(assets: Path) -> TrainingData:
    """Two clips, of two persons, of each of three classes to train and two to validate."""
    every = read_index(assets)["utd27_depth"]

    def some(split: str, labels: tuple[str, ...]) -> VideoList:
        kept = [
            replace(video, split=split)  # type: ignore[arg-type]
            for label in labels
            for person in ("s1", "s2")
            for video in [v for v in every.videos if (v.label, v.group) == (label, person)][:1]
        ]
        return replace(every, videos=tuple(kept))

    return TrainingData(some("train", every.classes[:3]), some("val", every.classes[3:5]))


@pytest.mark.slow
def test_a_reduction_on_stored_maps(data: TrainingData, tmp_path: Path) -> None:
    trained = train(read("a2m2-clips-lite0", SHORT), data, tmp_path / "run", device="cpu")
    assert trained.best.accuracy > 0
    assert not checkpoint.read(tmp_path / "run").backbone.weights.endswith(".safetensors")


@pytest.mark.slow
def test_the_network_itself(data: TrainingData, tmp_path: Path) -> None:
    changes = {
        "stages.0.inputs": "frames",
        "stages.0.freeze_bn": "backbone",
        "augment.flip": "never",
    }
    changes |= {"augment.area": [0.7, 1.0], "augment.read_size": 240}
    train(read("a2m2-clips-lite0", {**SHORT, **changes}), data, tmp_path / "run", device="cpu")
    usual = networks.create(device="cpu", engine="torch").network.state_dict()
    state = load_file(tmp_path / "run" / "state.safetensors")
    fitted = {name: state[f"learner/backbone.{name}"] for name in usual}
    changed = {name for name in usual if not torch.equal(fitted[name], usual[name])}
    assert changed
    assert not any("running" in name for name in changed)
