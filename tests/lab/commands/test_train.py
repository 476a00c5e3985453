"""``fewact train`` and ``recipes``, and commands with a trained method."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact import FewShotClassifier, methods
from fewact.lab.evaluation import checkpoint, load
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.synthetic.folder import write_folder
from fewact.lab.training import names, text_of
from fewact.synthetic import motions

Run = Callable[..., Any]

RECIPE = """
name = "mine"
summary = "Custom vectors."
data = "CLIPS"
keep_every = 2

[method]
name = "a2m2"
[method.options]
frames = 4
moments.level = "vectors"
moments.lengths = [2, 4]
moments.reduction = "learned"
moments.in_channels = 16
moments.width = 6

[backbone]
name = "efficientnet-lite0"

[[stages]]
kind = "episodes"
inputs = "stored"
steps = 4
ways = 3
lr = 0.01

[validation]
every = 2
ways = 3
count = 20
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, and features with 4 training, 4 validation and 4 test classes."""
    folder = tmp_path_factory.mktemp("with space")
    rng = np.random.default_rng(0)
    rows = [(c, i) for c in range(12) for i in range(5)]
    centres = rng.standard_normal((12, 4, 16))
    noisy = np.stack([centres[c] + rng.standard_normal((4, 16)) for c, _ in rows])
    np.savez(folder / "mine.npz", features=noisy.astype(np.float16))
    splits = ("train", "val", "test")
    lines = [f"{c}-{i}\tclass {c}\tp{i}\t{splits[c // 4]}" for c, i in rows]
    (folder / "mine.tsv").write_text("clip\tclass\tgroup\tsplit\n" + "\n".join(lines) + "\n")
    (folder / "mine.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def trained(run: Run, place: Path) -> Path:
    folder = place / "run"
    call = ("train", place / "mine.toml", "-o", folder, "--data", place / "mine.npz")
    ended = run(*call, "--device", "cpu")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Selected checkpoint: ")
    assert f"Next: fewact evaluate '{folder}' --data '{place / 'mine.npz'}'\n" in ended.out
    return folder


@pytest.mark.slow
def test_other_data_are_evaluated_and_leaks_refused(run: Run, place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "other.npz", features=rng.random((20, 4, 16)).astype(np.float16))
    lines = [f"o{c}-{i}\tthing {c}\tp{i}\n" for c in range(4) for i in range(5)]
    (tmp_path / "other.tsv").write_text("clip\tclass\tgroup\n" + "".join(lines))
    call = ("train", place / "mine.toml", "--base", place / "mine.npz", "--device", "cpu")
    ended = run(*call, "-o", tmp_path / "run", "--novel", tmp_path / "other.npz")
    assert ended.code == 0, ended.err
    assert "validation" in ended.out
    result = load(tmp_path / "run" / "novel-other.json")
    assert result.flags[0] == "trained on mine"
    assert result.setup.method.validation is not None
    assert result.setup.episodes.protocol.count == 20
    leak = tmp_path / "leak" / "mine.npz"
    leak.parent.mkdir()
    shutil.copy(place / "mine.npz", leak)
    rows = (place / "mine.tsv").read_text().splitlines()
    leak.with_suffix(".tsv").write_text("".join(f"{r.rpartition(chr(9))[0]}\n" for r in rows))
    refused = run(*call, "-o", tmp_path / "run", "--novel", leak)
    assert refused.code == 2
    assert "the training data contains test data" in refused.err


def test_features_are_refused_by_a_recipe_for_frames(run: Run, place: Path, tmp_path: Path) -> None:
    ended = run("train", "trx", "--base", place / "mine.npz", "-o", tmp_path / "run")
    assert (ended.code, ended.out) == (2, "")
    assert "features have no frames" in ended.err


SMALL = ("--ways", 3, "--count", 30, "--format", "json")


@pytest.mark.slow
def test_the_next_command_imports_the_method_and_reads_the_same_data(
    run: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods.REGISTRY, "_entries", dict(methods.REGISTRY._entries))
    monkeypatch.chdir(tmp_path)
    shutil.copy(place / "mine.npz", "mine.npz")
    table = (place / "mine.tsv").read_text().replace("\n", "\tfirst\n")
    Path("mine.tsv").write_text(table.replace("split\tfirst", "split\tdataset", 1))
    Path("mine.toml").write_text(RECIPE.replace('name = "a2m2"', 'name = "Mine"'))
    Path("mine.py").write_text("from fewact.lab.methods.a2m2 import A2M2\nclass Mine(A2M2): pass\n")
    data = ("--data", "mine.npz", "--dataset", "first")
    ended = run("train", "mine.toml", "-o", "run", *data, "--import", "mine.py")
    assert ended.code == 0, ended.err
    command = ended.out.rpartition("Next: fewact ")[2].split()
    assert command == ["evaluate", "run", "--import", "mine.py", *data]
    del methods.REGISTRY._entries["Mine"]  # The command runs in a process of its own.
    assert run(*command, *SMALL).code == 0


@pytest.mark.slow
def test_a_run_is_a_method(run: Run, place: Path, trained: Path) -> None:
    call = ("evaluate", trained, "--data", place / "mine.npz", *SMALL)
    document = json.loads(run(*call).out)
    assert document["final"] is True
    assert document["setup"]["method"]["name"] == "a2m2"
    assert document["setup"]["method"]["weights_sha256"]
    assert document["flags"][0] == "trained on mine"
    assert "validation accuracy" in document["flags"][1]
    assert "on mine" in document["flags"][1]
    accuracy = document["setup"]["method"]["validation"]
    assert f"({accuracy:.1f} % on mine)" in document["flags"][1]
    other = json.loads(run(*call, "--option", "alignment.name=otam").out)
    assert other["setup"]["method"]["options"]["alignment.name"] == "otam"
    assert (
        other["setup"]["method"]["weights_sha256"] == document["setup"]["method"]["weights_sha256"]
    )
    wrong = run(*call, "--option", "moments.width=5")
    assert wrong.code == 2
    assert "the weights don't fit" in wrong.err


def test_what_was_learnt_from_is_not_tested_on(run: Run, place: Path, trained: Path) -> None:
    call = ("evaluate", trained, "--data", place / "mine.npz", *SMALL, "--split")
    refused = run(*call, "train")
    assert refused.code == 2
    assert "the training data contains test data" in refused.err
    document = json.loads(run(*call, "train", "--allow-leak").out)
    assert any(flag.startswith("leak: mine shares 20 videos") for flag in document["flags"])
    document = json.loads(run(*call, "val").out)
    assert "checkpoint selected on these classes" in document["flags"]


def test_changes_and_going_on(run: Run, place: Path, tmp_path: Path) -> None:
    call = ("train", place / "mine.toml", "-o", tmp_path / "run", "--data", place / "mine.npz")
    assert run(*call, "--set", "stages.0.steps=2", "--set", "seed=3").code == 0
    saved = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (saved["stages"][0]["steps"], saved["seed"]) == (2, 3)
    other = run(*call)
    assert other.code == 2
    assert "a run with another recipe (got one that differs in stages, seed)" in other.err
    assert run("train", tmp_path / "run" / "recipe.json", *call[2:]).code == 0


def test_what_is_missing_is_said(run: Run, place: Path, tmp_path: Path) -> None:
    ended = run("train", place / "mine.toml", "-o", tmp_path / "run")
    assert ended.code == 2
    assert "the recipe is for your clips" in ended.err
    ended = run("train", "a2m2-ssv2-ful-resnet50", "-o", tmp_path / "run")
    assert ended.code == 2
    assert "Did you mean" in ended.err
    call = ("train", place / "mine.toml", "-o", tmp_path / "run", "--data", place / "mine.npz")
    ended = run(*call, "--set", "validation.ways=5")
    assert ended.code == 2
    assert "validation classes of mine: too few classes (got 4 classes for 5 ways)" in ended.err
    assert "--set validation.ways=N" in ended.err
    assert not (tmp_path / "run").exists()
    ended = run("evaluate", tmp_path / "run", "--data", place / "mine.npz")
    assert ended.code == 2
    assert "or the folder of a training run. A method of your own needs --import" in ended.err
    ended = run("evaluate", tmp_path, "--data", place / "mine.npz")
    assert ended.code == 2
    assert "no trained method found" in ended.err


def test_a_run_without_its_checkpoint_is_refused(
    run: Run, place: Path, trained: Path, tmp_path: Path
) -> None:
    lost = shutil.copytree(trained, tmp_path / "lost", ignore=shutil.ignore_patterns("best.*"))
    call = ("train", place / "mine.toml", "-o", lost, "--data", place / "mine.npz")
    for again in (call, ("evaluate", lost, "--data", place / "mine.npz")):
        ended = run(*again)
        assert ended.code == 2
        assert f"{lost / 'best.safetensors'}: the selected checkpoint" in ended.err
        assert "Restore the file, or train into another folder." in ended.err


def test_recipes_are_listed_and_printed(run: Run) -> None:
    listed = run("recipes").out
    assert all(name in listed for name in names())
    assert run("recipes", "otam-ucf101-resnet50").out == text_of("otam-ucf101-resnet50")
    assert "expected: a name that `fewact recipes` lists" in run("recipes", "mine.toml").err
    assert run("recipes", "nothing").code == 2


def test_a_run_is_taught_with(run: Run, place: Path, trained: Path, tmp_path: Path) -> None:
    call = ("teach", place / "mine.npz", "-o", tmp_path / "model", "--method", trained)
    ended = run(*call, "--max-per-class", 2)
    assert ended.code == 0, ended.err
    model = FewShotClassifier.load(tmp_path / "model")
    weights = checkpoint.load(trained).state_dict()
    assert model.method.options == checkpoint.load(trained).options
    kept = on_tensors(model.method).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())
    predicted = run("predict", tmp_path / "model", place / "mine.npz", "--format", "json")
    assert predicted.code == 0
    assert len(json.loads(predicted.out)["predictions"]) == 60


STORED = """
name = "mine"
summary = "Stored vectors of a network."
data = "CLIPS"

[method]
name = "ridge"
[method.options]
frames = 2

[backbone]
name = "efficientnet-lite0"
size = 64

[[stages]]
kind = "episodes"
inputs = "stored"
steps = 2
ways = 2
lr = 0.01

[validation]
every = 1
ways = 2
count = 20
"""


@pytest.mark.slow
def test_a_run_on_a_store_is_used_with_its_network(run: Run, tmp_path: Path) -> None:
    listed = write_folder(motions(videos=2, size=32, frames=12), tmp_path / "clips", split="val")
    table, recipe, store = (tmp_path / name for name in ("clips.tsv", "mine.toml", "store"))
    splits = dict(zip(listed.classes[:6], ("train", "val", "test") * 2, strict=True))
    lines = [
        f"{video.clip.path}\t{video.label}\t{splits[video.label]}"
        for video in listed.videos
        if video.clip is not None and video.label in splits
    ]
    table.write_text("\n".join(("path\tlabel\tsplit", *lines)) + "\n")
    recipe.write_text(STORED)
    small = ("--size", 64, "--precision", "float32")
    ended = run("embed", table, "-o", store, "--features", "vectors:2", *small)
    assert ended.code == 0, ended.err
    call = ("train", recipe, "-o", tmp_path / "run", "--data", table, "--store", store)
    ended = run(*call, "--device", "cpu")
    assert ended.code == 0, ended.err
    call = ("evaluate", tmp_path / "run", "--data", table, "--ways", 2, "--count", 20)
    found = [run(*call, "--format", "json", *source) for source in ((), ("--store", store))]
    assert [ended.code for ended in found] == [0, 0], [ended.err for ended in found]
    direct, stored = (json.loads(ended.out) for ended in found)
    assert stored["per_episode"] == direct["per_episode"]
    assert not any("another backbone" in flag for flag in (*direct["flags"], *stored["flags"]))
