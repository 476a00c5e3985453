"""The loop: it learns, goes on after kills as if never stopped, and stops where it must."""

import itertools
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fewact.core.atomic import _machine
from fewact.core.errors import EpisodeError, OptionError, RecipeError, TrainingError, WeightsError
from fewact.lab import methods
from fewact.lab.evaluation import checkpoint, evaluate_method
from fewact.lab.evaluation.checkpoint import BEST
from fewact.lab.methods.a2m2 import A2M2 as A2M2Method
from fewact.lab.methods.base import TorchMethod, TrainingBatch
from fewact.lab.training import TrainingData, loop, train
from fewact.lab.training.run_folder import RESERVED_NAMES, read_metrics
from fewact.methods import REGISTRY
from fewact.methods.files import import_methods
from tests.lab.training.made_up import (
    A2M2,
    CLASSIFY,
    EPISODES,
    data_of,
    features_of,
    recipe_of,
    split_list,
)
from tests.refused import refused

BOTH = (CLASSIFY, EPISODES | {"ema": 0.8, "loss_weights": {"base_class": 0.5}})


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Killed(BaseException):
    """Nothing in the package may catch it."""


def killed_at(step: int) -> Any:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Killed

    return progress


@pytest.mark.slow
def test_it_learns_to_tell_unseen_classes(tmp_path: Path) -> None:
    options = {**A2M2["options"], "moments.descriptor": "mean", "moments.width": 8}
    options |= {"alignment.weights": "uniform"}
    recipe = recipe_of(
        EPISODES | {"steps": 60, "batch": 4, "queries": 4},
        method={"name": "a2m2", "options": options},
        validation={"every": 5, "ways": 3, "queries": 2, "count": 200},
    )
    trained = train(recipe, data_of(classes=60), tmp_path / "run", device="cpu")
    lines = read_metrics(tmp_path / "run")
    losses = [line["cross_entropy"] for line in lines if "cross_entropy" in line]
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    looks = [line["accuracy"] for line in lines if "accuracy" in line]
    assert trained.best.accuracy == max(looks)
    # Roundings differ with the number of threads, and single looks with them.
    assert sum(looks[-4:]) / 4 > looks[0] + 10, looks


@pytest.mark.slow
def test_resumes_after_kills_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = A2M2Method.encode

    def encode(self: Any, features: Any) -> Any:
        nodes = original(self, features)["nodes"]
        return {"nodes": torch.nn.functional.dropout(nodes, 0.3, self.training)}

    monkeypatch.setattr(A2M2Method, "encode", encode)
    recipe = recipe_of(*BOTH, keep_every=2)
    train(recipe, data_of(), tmp_path / "whole", device="cpu")
    for step in (1, 2, 5, 7, 9):
        with pytest.raises(Killed):
            train(recipe, data_of(), tmp_path / "killed", device="cpu", progress=killed_at(step))
        with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
            file.write('{"stage": 1, "st')  # cut short in the midst of a line
        left = f".state.safetensors.{_machine()}-0000000{step}.new"
        (tmp_path / "killed" / left).write_bytes(b"half")
    train(recipe, data_of(), tmp_path / "killed", device="cpu")
    whole, killed = files_of(tmp_path / "whole"), files_of(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert [name for name in whole if whole[name] != killed[name]] == []


@pytest.mark.slow
def test_a_run_that_has_ended_is_not_run_again(tmp_path: Path) -> None:
    recipe = recipe_of(EPISODES)
    first = train(recipe, data_of(), tmp_path / "run", device="cpu")
    before = files_of(tmp_path / "run")
    again = train(recipe, data_of(), tmp_path / "run", device="cpu", progress=killed_at(1))
    assert again == first
    assert files_of(tmp_path / "run") == before


@pytest.mark.slow
def test_a_run_whose_checkpoint_is_missing_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recipe = recipe_of(EPISODES, keep_every=1)
    with pytest.raises(Killed):
        train(recipe, data_of(), folder, device="cpu", progress=killed_at(2))
    for unfinished in (True, False):
        (folder / BEST).rename(tmp_path / BEST)
        before = files_of(folder)
        where = r"run/best\.safetensors: the selected checkpoint of the "
        with pytest.raises(TrainingError, match=f"{where}run is missing.*Restore the file"):
            train(recipe, data_of(), folder, device="cpu")
        with pytest.raises(WeightsError, match=f"{where}training run is missing.*Restore the file"):
            checkpoint.read(folder)
        assert files_of(folder) == before
        (tmp_path / BEST).rename(folder / BEST)
        assert checkpoint.read(folder).path == folder / BEST
        if unfinished:
            train(recipe, data_of(), folder, device="cpu")
    for name in (BEST, "state.safetensors"):  # as if killed before the first validation
        (folder / name).rename(tmp_path / name)
    with refused(WeightsError, where="best.safetensors", hint="Continue the training"):
        checkpoint.read(folder)
    train(recipe, data_of(), folder, device="cpu")
    assert checkpoint.read(folder).header == checkpoint.read(tmp_path / BEST).header


@pytest.mark.slow
def test_messages_count_stages_from_one(tmp_path: Path) -> None:
    train(recipe_of(CLASSIFY, EPISODES), data_of(), tmp_path / "two", device="cpu")
    assert {line["stage"] for line in read_metrics(tmp_path / "two")} == {0, 1}
    train(recipe_of(EPISODES), data_of(), tmp_path / "one", device="cpu")
    (tmp_path / "one" / "state.safetensors").write_bytes(
        (tmp_path / "two" / "state.safetensors").read_bytes()
    )
    found = r"another training \(got stage 3, step 0, best checkpoint: stage [12], step \d+\)"
    with pytest.raises(TrainingError, match=found):
        train(recipe_of(EPISODES), data_of(), tmp_path / "one", device="cpu")


@pytest.mark.parametrize("end", ["", '{"stage": 1, "st', "\0" * 40, '{"stage": 1, "st\0\0'])
def test_an_incomplete_end_of_the_metrics_is_left_out(tmp_path: Path, end: str) -> None:
    line = {"stage": 0, "step": 1, "cross_entropy": 0.5}
    (tmp_path / "metrics.jsonl").write_text(f"{json.dumps(line)}\n{end}")
    assert read_metrics(tmp_path) == [line]
    (tmp_path / "metrics.jsonl").write_text(f"\0\n{json.dumps(line)}\n")
    with refused(TrainingError, got="bytes that are not text in UTF-8"):
        read_metrics(tmp_path)


@pytest.mark.slow
def test_another_seed_is_another_run(tmp_path: Path) -> None:
    for seed in (0, 1):
        train(recipe_of(EPISODES, seed=seed), data_of(), tmp_path / str(seed), device="cpu")
    first, second = (read_metrics(tmp_path / str(seed)) for seed in (0, 1))
    assert first[1]["cross_entropy"] != second[1]["cross_entropy"]


@pytest.mark.slow
def test_the_callers_random_numbers_stay_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    assert torch.equal(torch.rand(1), expected)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(TrainingError, match="not the folder of a training run"):
        train(recipe_of(EPISODES), data_of(), tmp_path, device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_a_run_goes_on_only_as_it_began(tmp_path: Path) -> None:
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    with refused(TrainingError, where="run", got="one that differs in seed"):
        train(recipe_of(EPISODES, seed=1), data_of(), tmp_path / "run", device="cpu")
    others, val = split_list("train", range(5)), split_list("val", range(6, 11))
    data = TrainingData(others, val, features_of(others), features_of(val))
    with refused(TrainingError, what="other videos"):
        train(recipe_of(EPISODES), data, tmp_path / "run", device="cpu")
    data = data_of()
    data = TrainingData(data.train, data.val, data.train_source, features_of(data.val, seed=3))
    with refused(TrainingError, what="other features"):
        train(recipe_of(EPISODES), data, tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_a_run_goes_on_with_the_code_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = dict(REGISTRY._entries)
    file = tmp_path / "mine.py"

    def run(folder: str, comment: str) -> None:
        monkeypatch.setattr(REGISTRY, "_entries", dict(entries))
        file.write_text(
            f"from fewact.lab.methods.lda import Lda\nclass Mine(Lda): pass  # {comment}\n"
        )
        import_methods(file)
        method = {"name": "Mine", "options": {"frames": 4}}
        train(recipe_of(EPISODES, method=method), data_of(), tmp_path / folder, device="cpu")

    run("run", "first")
    run("run", "first")
    with refused(TrainingError, what="file has changed"):
        run("run", "second")
    run("other", "second")


@pytest.mark.slow
def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    attempts = []

    def progress(done: int, total: int) -> None:
        if done == 3:
            before = files_of(folder)
            with refused(TrainingError, hint="Wait for its end"):
                train(recipe_of(EPISODES), data_of(), folder, device="cpu")
            assert files_of(folder) == before
            attempts.append(done)

    train(recipe_of(EPISODES), data_of(), folder, device="cpu", progress=progress)
    assert attempts == [3]
    train(recipe_of(EPISODES), data_of(), folder, device="cpu")


@pytest.mark.parametrize("validation", [{"ways": 6}, {"ways": 3, "queries": 20}])
def test_a_refused_run_leaves_no_folder(tmp_path: Path, validation: dict[str, int]) -> None:
    bad = recipe_of(EPISODES, validation={"every": 2, "count": 20} | validation)
    with pytest.raises(EpisodeError):
        train(bad, data_of(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("bad", [float("nan"), 5000.0], ids=["nan", "diverging"])
def test_a_bad_loss_stops_the_run_and_names_the_episode(
    tmp_path: Path, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count(1)
    original = TorchMethod.losses

    def losses(self: Any, batch: TrainingBatch) -> dict[str, Tensor]:
        found = original(self, batch)
        return {name: loss + (bad if next(calls) == 6 else 0) for name, loss in found.items()}

    monkeypatch.setattr(TorchMethod, "losses", losses)
    stage = EPISODES | {"accumulate": 2}  # the sixth batch is the second of step 3
    with pytest.raises(TrainingError, match="stage 1, step 3") as error:
        train(recipe_of(stage), data_of(), tmp_path / "run", device="cpu")
    (file,) = (tmp_path / "run" / "stopped").glob("*.json")
    assert str(file) in str(error.value)
    saved = json.loads(file.read_text())
    assert [batch["number"] for batch in saved["batches"]] == [4, 5]
    assert isinstance(saved["batches"][0]["loss"], float)
    loss = float(saved["batches"][1]["loss"])
    assert math.isnan(loss) if math.isnan(bad) else loss > bad
    assert len(saved["batches"][1]["videos"]) == 3 * (1 + 2)
    assert all(label in data_of().train.classes for label, _ in saved["batches"][1]["videos"])
    before = load_file(tmp_path / "run" / "stopped" / "state.safetensors")
    kept = load_file(tmp_path / "run" / "state.safetensors")  # of step 2
    counters = {name for name in kept if name.endswith("num_batches_tracked")}
    assert kept.keys() == before.keys()
    assert [n for n in kept if n not in counters and not torch.equal(kept[n], before[n])] == []
    last = [line["step"] for line in read_metrics(tmp_path / "run")][-1]
    assert last == 2  # the step changed no weight and is in no metric


def test_validation_alone_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = iter([40.0, 50.0, 70.0, 60.0, 70.0])
    original, weights = loop.validate, []

    def validate(learner: Any, *rest: Any) -> Any:
        weights.append(learner.method.reduction.network[0].weight.clone())
        return original(learner, *rest).model_copy(update={"accuracy": next(accuracies)})

    monkeypatch.setattr(loop, "validate", validate)
    trained = train(recipe_of(EPISODES | {"steps": 8}), data_of(), tmp_path / "run", device="cpu")
    assert (trained.best.accuracy, trained.best.step) == (70.0, 4)  # the first of equals
    chosen = checkpoint.read(tmp_path / "run")
    assert torch.equal(chosen.tensors["reduction.network.0.weight"], weights[2])
    assert chosen.header.selection.step == 4


@pytest.mark.slow
def test_where_training_never_helps_the_method_stays_as_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([60.0, 50.0, 40.0, 30.0])
    original = loop.validate

    def validate(*given: Any) -> Any:
        return original(*given).model_copy(update={"accuracy": next(accuracies)})

    monkeypatch.setattr(loop, "validate", validate)
    options = {**A2M2["options"], "moments.reduction": "linear", "moments.width": 6}
    recipe = recipe_of(EPISODES, method={"name": "a2m2", "options": options})
    trained = train(recipe, data_of(), tmp_path / "run", device="cpu")
    assert (trained.best.accuracy, trained.best.step) == (60.0, 0)
    chosen = checkpoint.read(tmp_path / "run")
    assert torch.equal(chosen.tensors["reduction.matrix"], torch.eye(6))
    assert chosen.method().temperature == methods.create("a2m2").temperature != 1


@pytest.mark.slow
@pytest.mark.parametrize(("best", "learned"), [(0, False), (1, True)])
def test_random_weights_stay_untrained_until_a_step_is_chosen(
    best: int, learned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([60.0 if number == best else 50.0 for number in range(4)])
    original = loop.validate

    def validate(*given: Any) -> Any:
        return original(*given).model_copy(update={"accuracy": next(accuracies)})

    monkeypatch.setattr(loop, "validate", validate)
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    assert not methods.create("a2m2", **A2M2["options"]).trained
    assert checkpoint.load(tmp_path / "run").trained is learned


@pytest.mark.slow
def test_a_run_of_a_method_of_a_file_names_the_import(tmp_path: Path) -> None:
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    chosen = checkpoint.read(tmp_path / "run")
    elsewhere = replace(chosen, header=chosen.header.model_copy(update={"name": "mine"}))
    with refused(WeightsError, where="best.safetensors", got="mine", hint="--import"):
        elsewhere.method()


@pytest.mark.slow
def test_the_checkpoint_scores_as_validation_has_scored_it(tmp_path: Path) -> None:
    data = data_of()
    trained = train(recipe_of(*BOTH), data, tmp_path / "run", device="cpu")
    from fewact.lab.evaluation.episodes import load

    assert data.val_source is not None
    episodes = load(tmp_path / "run" / "validation-episodes.json")
    method = checkpoint.read(tmp_path / "run").method()
    assert (
        evaluate_method(method, data.val_source, data.val, episodes).accuracy
        == trained.best.accuracy
    )
    facts = checkpoint.read(tmp_path / "run").header
    assert (facts.temperature == 1) is (trained.best.stage == 1)
    assert facts.trained_on.sha256 == data.train.digest
    assert sorted(facts.trained_on.videos) == sorted(data.train.classes)


def test_errors_of_a_later_stage_are_found_before_anything_is_written(tmp_path: Path) -> None:
    weights = {"base_class": 0.0, "cross_entropi": 0.5}
    stages = (CLASSIFY, EPISODES | {"loss_weights": weights})
    says = (
        r'no such loss.*got cross_entropi.*base_class, cross_entropy.*Did you mean "cross_entropy"'
    )
    with pytest.raises(RecipeError, match=says):
        train(recipe_of(*stages), data_of(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_features_that_training_alone_needs_are_missed_before_anything_is_written(
    tmp_path: Path,
) -> None:
    method = {"name": "molo", "options": {"frames": 4, "reconstruct": True}}
    with refused(OptionError, where="made up", got="pixels:4"):
        train(recipe_of(EPISODES, method=method), data_of(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_a_loss_with_the_name_of_another_number_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TorchMethod.losses

    def losses(self: Any, batch: TrainingBatch) -> dict[str, Tensor]:
        return {name: original(self, batch)["cross_entropy"]}

    monkeypatch.setattr(TorchMethod, "losses", losses)
    with pytest.raises(TrainingError, match=f"losses of method a2m2: .*got {name}.*Rename"):
        train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_the_reserved_names_are_all_that_a_line_has_besides_losses(tmp_path: Path) -> None:
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    names = {name for line in read_metrics(tmp_path / "run") for name in line}
    assert names == {*RESERVED_NAMES, "cross_entropy"}


def test_a_method_without_weights_cannot_learn(tmp_path: Path) -> None:
    recipe = recipe_of(EPISODES, method={"name": "protonet", "options": {"frames": 4}})
    with refused(RecipeError, where="freeze", got="backbone.*, head.*"):
        train(recipe, data_of(), tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_tensorboard_is_told_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "run" / "tensorboard")

        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, step))

        def close(self) -> None:
            told.append(("closed", 0))

    board = SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)  # type: ignore[misc]
    train(recipe_of(EPISODES), data_of(), tmp_path / "run", device="cpu")
    assert ("stage1/cross_entropy", 6) in told
    assert ("stage1/accuracy", 6) in told
    assert told[-1] == ("closed", 0)
