"""Training from frames: the network learns, norms do as they are told, workers change nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fewact import networks
from fewact.core.errors import RecipeError, TrainingError
from fewact.core.random import RandomStream
from fewact.data import Video, VideoList
from fewact.lab.evaluation import VideoFeatures, checkpoint, evaluate_method
from fewact.lab.evaluation.checkpoint import training_flags
from fewact.lab.evaluation.episodes import load as load_episodes
from fewact.lab.methods import a2m2
from fewact.lab.methods.a2m2 import A2M2 as A2M2Method
from fewact.lab.training import TrainingData, loop, train
from fewact.lab.training.batches import Batch, Drawn, FrameBatches
from fewact.lab.training.learner import make_learner
from fewact.lab.training.optimising import freeze, freeze_norms
from fewact.lab.training.recipe import EpisodesStage
from fewact.lab.training.run_folder import read_metrics
from fewact.networks import BackboneSpec
from fewact.video import PerrettTrain
from tests.lab.training.made_up import CLASSIFY, EPISODES, FRAMES_RECIPE, motions_data, recipe_of
from tests.lab.training.test_loop import Killed, files_of, killed_at
from tests.refused import refused

pytestmark = pytest.mark.usefixtures("tiny")

FROM_FRAMES = {"inputs": "frames", "steps": 2, "queries": 1, "lr": 0.01}


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "state.safetensors")


def first_weights() -> dict[str, torch.Tensor]:
    network = networks.create(
        "tiny", weights="random", device="cpu", precision="float32", engine="torch"
    ).network
    return {f"learner/backbone.{name}": value for name, value in network.state_dict().items()}


def test_network_and_method_learn_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, accuracies = loop.validate, []

    def validate(*given: Any) -> Any:
        accuracies.append(original(*given).accuracy)  # the later, the better
        return original(*given).model_copy(update={"accuracy": float(len(accuracies))})

    monkeypatch.setattr(loop, "validate", validate)
    data = motions_data()
    recipe = recipe_of(EPISODES | FROM_FRAMES, **FRAMES_RECIPE)
    train(recipe, data, tmp_path / "run", device="cpu")
    before, after = first_weights(), state_of(tmp_path / "run")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "learner/backbone.first.weight" in changed
    assert "learner/backbone.norm.running_mean" in changed
    chosen = checkpoint.read(tmp_path / "run")
    backbone = networks.create(
        "tiny", weights=chosen.backbone.weights, device="cpu", precision="float32", engine="torch"
    )
    assert data.train.name in backbone.card.trained_on
    flags = training_flags(chosen, data.val, backbone.card)
    assert "checkpoint selected on these classes" in flags
    assert not any("another backbone" in flag for flag in flags)
    other = networks.create(
        "tiny", weights="random", device="cpu", precision="float32", engine="torch"
    ).card
    assert "features of another backbone than in training (tiny)" in training_flags(
        chosen, data.val, other
    )
    episodes = load_episodes(tmp_path / "run" / "validation-episodes.json")
    source = VideoFeatures(data.val, backbone)
    assert evaluate_method(chosen.method(), source, data.val, episodes).accuracy == accuracies[-1]


@pytest.mark.slow
def test_workers_and_kills_change_no_byte(tmp_path: Path) -> None:
    augment = {"read_size": 40, "area": [0.5, 1.0], "aspect": [0.75, 1.3], "brightness": 0.3}
    stage = EPISODES | FROM_FRAMES | {"steps": 3}
    recipe = recipe_of(stage, augment=augment, keep_every=1, **FRAMES_RECIPE)
    train(recipe, motions_data(), tmp_path / "one", device="cpu")
    with pytest.raises(Killed):
        train(recipe, motions_data(), tmp_path / "two", device="cpu", progress=killed_at(2))
    train(recipe, motions_data(), tmp_path / "two", device="cpu", workers=2)
    one, two = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


@pytest.mark.slow
def test_frames_first_and_then_what_the_network_has_become(tmp_path: Path) -> None:
    recipe = recipe_of(
        CLASSIFY | {"inputs": "frames", "steps": 2}, EPISODES | {"steps": 2}, **FRAMES_RECIPE
    )
    train(recipe, motions_data(), tmp_path / "run", device="cpu")
    looks = [line for line in read_metrics(tmp_path / "run") if "accuracy" in line]
    assert [(line["stage"], line["step"]) for line in looks] == [(0, 0), (0, 2), (1, 2)]


def test_bfloat16_in_the_network_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[torch.dtype]] = {"network": set(), "nodes": set(), "cost": set()}
    original, align = A2M2Method.support, a2m2.align.align

    def support(self: Any, nodes: Any, *rest: Any, **more: Any) -> Any:
        seen["nodes"].add(nodes["nodes"].dtype)
        return original(self, nodes, *rest, **more)

    def solve(name: str, cost: torch.Tensor, *rest: Any, **more: Any) -> Any:
        seen["cost"].add(cost.dtype)
        return align(name, cost, *rest, **more)

    monkeypatch.setattr(A2M2Method, "support", support)
    monkeypatch.setattr(a2m2.align, "align", solve)
    recipe = recipe_of(EPISODES | FROM_FRAMES, **(FRAMES_RECIPE | {"precision": "bfloat16"}))
    learner = make_learner(recipe, motions_data(), torch.device("cpu"))
    assert learner.backbone is not None
    learner.backbone.first.register_forward_hook(
        lambda module, given, made: seen["network"].add(made.dtype)
    )
    monkeypatch.setattr(loop, "make_learner", lambda *rest: learner)
    train(recipe, motions_data(), tmp_path / "run", device="cpu")
    assert torch.bfloat16 in seen["network"]
    assert seen["nodes"] == seen["cost"] == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["backbone", "all"])
def test_frozen_norms_stay_frozen_whoever_calls_train(tmp_path: Path, which: str) -> None:
    recipe = recipe_of(EPISODES | FROM_FRAMES | {"freeze_bn": which}, **FRAMES_RECIPE)
    train(recipe, motions_data(), tmp_path / "run", device="cpu")
    before, after = first_weights(), state_of(tmp_path / "run")
    name = "learner/backbone.norm.running_mean"
    assert torch.equal(before[name], after[name])
    assert not torch.equal(
        before["learner/backbone.first.weight"], after["learner/backbone.first.weight"]
    )
    own = after["learner/method.reduction.network.1.running_mean"]
    assert own.eq(0).all() == (which == "all")


def test_freeze_norms_survives_train() -> None:
    inner = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(2), inner)
    freeze_norms(module)
    for call in (module.train, module[0].train, inner.train, inner[0].train):
        call()
        module(torch.randn(8, 2) + 3)
    assert all(value.eq(0).all() for name, value in module.named_buffers() if "mean" in name)


def test_frames_that_training_crops_are_not_stabilised() -> None:
    options = {**FRAMES_RECIPE["method"]["options"], "stabilise": "auto"}
    stabilised = FRAMES_RECIPE | {"method": {"name": "a2m2", "options": options}}
    with refused(TrainingError, where="a2m2", got="maps:4:auto", hint="stored features"):
        make_learner(
            recipe_of(EPISODES | FROM_FRAMES, **stabilised), motions_data(), torch.device("cpu")
        )


def stage_of(**changes: Any) -> EpisodesStage:
    stage = recipe_of(EPISODES | FROM_FRAMES | changes, **FRAMES_RECIPE).stages[0]
    assert isinstance(stage, EpisodesStage)
    return stage


def test_what_is_frozen_by_name() -> None:
    recipe = recipe_of(EPISODES | FROM_FRAMES, **FRAMES_RECIPE)
    learner = make_learner(recipe, motions_data(), torch.device("cpu"))

    def learning(**changes: Any) -> set[str]:
        freeze(learner, stage_of(**changes))
        return {name for name, p in learner.named_parameters() if p.requires_grad}

    every = {name for name, _ in learner.named_parameters()}
    assert every - learning() == {"head.weight", "head.bias"}
    assert every - learning(loss_weights={"base_class": 0.1}) == set()
    without = learning(freeze=["backbone.first.*", "*.norm.*"])
    assert not any(name.startswith(("backbone.first", "backbone.norm.")) for name in without)
    assert "backbone.norm2.weight" in without
    assert all(name.startswith("method") for name in learning(inputs="stored"))
    with refused(RecipeError, got="backbone.frist.*"):
        freeze(learner, stage_of(freeze=["backbone.frist.*"]))


def test_classes_of_an_episode_of_two_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(EPISODES | FROM_FRAMES, **FRAMES_RECIPE)
    learner = make_learner(recipe, motions_data(), torch.device("cpu"))
    learner.text = torch.arange(24.0).view(12, 2)
    classes = torch.tensor([[7, 2, 5], [0, 11, 7]])  # of two episodes
    videos = torch.cat([classes.repeat_interleave(k, 1) for k in (2, 1)], 1)  # two shots, a query
    given: list[Any] = []
    monkeypatch.setattr(learner.method, "losses", lambda batch: given.append(batch) or {})
    (request,) = learner.requests
    features = {request: torch.arange(18.0)[:, None]}
    learner(Batch(Drawn(0, tuple(range(18)), 2, 1, 3), videos.flatten(), {}, features))
    (batch,) = given
    assert torch.equal(batch.base_classes, classes)
    assert torch.equal(batch.text, learner.text[classes])
    assert batch.support_labels.tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    assert batch.query_labels.tolist() == [[0, 1, 2]] * 2
    assert batch.support[request][1, :, 0].tolist() == [9, 10, 11, 12, 13, 14]
    assert batch.query[request][1, :, 0].tolist() == [15, 16, 17]


def test_an_unreadable_video_is_named(tmp_path: Path) -> None:
    data = motions_data()
    first, *rest = data.train.videos
    broken = VideoList(data.train.name, (Video("lost", first.label, "train"), *rest))
    recipe = recipe_of(CLASSIFY | {"inputs": "frames", "batch": 12, "steps": 2}, **FRAMES_RECIPE)
    with refused(TrainingError, got="lost: there is no file"):
        train(recipe, TrainingData(broken, data.val), tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_the_test_reads_frames_as_the_recipe_says(tmp_path: Path) -> None:
    reading = {"resize": "centre-crop", "sampler": "perrett"}
    backbone = {"name": "tiny", "weights": "random", **reading}
    recipe = recipe_of(EPISODES | FROM_FRAMES, **FRAMES_RECIPE, backbone=backbone)
    data = motions_data()
    train(recipe, data, tmp_path / "run", device="cpu")
    trained = checkpoint.read(tmp_path / "run")
    resolved = BackboneSpec().over(trained.backbone)
    assert {name: getattr(resolved, name) for name in reading} == reading
    assert resolved.create().card.network_digest == trained.header.network_digest
    times: list[Any] = []
    source = data.train.videos[0].source
    assert source is not None
    card = resolved.create().card
    batches = FrameBatches(data.train, card, (4,), recipe.augment, seed=0, stage=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(source), "read", lambda self, samplers, **_: times.append(samplers))
        batches._read(0, RandomStream("draws", 0))
    assert [type(one) for one in times[0]] == [PerrettTrain]
