"""A²M²-Net on CLIP and VideoMAE: its recipes train small networks of these families."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue
from torch import nn

from fewact.core.errors import OptionError, RecipeError, ShapeError
from fewact.core.registry import Registry
from fewact.lab.evaluation import checkpoint
from fewact.lab.methods.a2m2 import A2M2
from fewact.lab.networks import resnet
from fewact.lab.training import read, train
from fewact.lab.training.data import with_texts
from fewact.lab.training.learner import make_learner
from fewact.lab.training.recipe import EpisodesStage, Recipe
from fewact.networks import catalogue
from fewact.networks.catalogue import CLIP_RN50
from tests.lab.networks import tiny
from tests.lab.training.made_up import motions_data
from tests.lab.training.test_recipes import shortened
from tests.refused import refused

pytest.importorskip("transformers", reason="the extra hf is not installed")

WIDTH = 24
"""Length of the vectors and texts of the small CLIP."""

RECIPES = [
    f"a2m2-hmdb51-{name}" for name in ("clip-vit-b16", "clip-rn50", "videomae", "dinov2", "vjepa2")
]
RECIPES += ["a2m2-ssv2-full-clip-rn50"]
"""One of each network, and one that trains batch norm; other data sets change numbers, which
``test_recipes`` compares."""

FOLDERS = ("clip-vit", "videomae", "dinov2", "vjepa2")
REGISTERED = {"clip-vit-b16": "clip-vit", "clip-rn50": "small-rn50"}
REGISTERED |= {name: name for name in FOLDERS}
"""Backbones that read small weights."""


class SmallResNet50(resnet.ClipResNet50):
    """CLIP's ResNet-50 with one block a stage, few channels, and images of 32×32."""

    defaults = replace(
        CLIP_RN50,
        name="small-rn50",
        input_size=(32, 32),
        vectors=WIDTH,
        maps=(64, 1, 1),
        middle=(32, 2, 2),
        shallow=(16, 4, 4),
    )

    def __init__(self, options: Any) -> None:
        nn.Module.__init__(self)
        self.options = options
        with pytest.MonkeyPatch.context() as patch:
            stage = resnet._stage
            patch.setattr(
                resnet,
                "_stage",
                lambda inputs, width, count, stride, block: stage(
                    inputs if inputs == 64 else inputs // 32, width // 32, 1, stride, block
                ),
            )
            pool = resnet._AttentionPool
            width = self.defaults.vectors
            patch.setattr(resnet, "_AttentionPool", lambda *_: pool(64, 4, width))
            patch.setattr(resnet, "CELLS", 1)
            self.visual = resnet._Visual()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small weights of CLIP and VideoMAE, as transformers saves them."""
    found = {name: tmp_path_factory.mktemp(name) for name in FOLDERS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny.TEXT, "max_position_embeddings", 77)  # for prompts of many letters
        for name, folder in found.items():
            tiny.save(name, folder)
    return found


@pytest.fixture(autouse=True)
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        entries = {**catalogue.NETWORKS._entries, "small-rn50": SmallResNet50}
        patch.setattr(catalogue, "NETWORKS", Registry("backbone", entries))
        yield


def small(name: str, folders: dict[str, Path], **options: JsonValue) -> Recipe:
    """The recipe for a few steps on small weights of its network's family."""
    recipe = read(name)
    registered = REGISTERED[recipe.backbone.name]
    weights = f"local-dir:{folders[registered]}" if registered in folders else "random"
    frames = 8 if registered in ("videomae", "vjepa2") else 4
    changed = shortened(recipe)
    method = changed.method.model_copy(
        update={"options": {**changed.method.options, "frames": frames, **options}}
    )
    # A transformer's text encoder is in its weights; beside the ResNet, that of the transformer.
    text = {"encoder": recipe.text.encoder}
    if registered == "small-rn50":
        text = {"encoder": "clip", "weights": f"local-dir:{folders['clip-vit']}"}
    return changed.model_copy(
        update={
            "method": method,
            "backbone": recipe.backbone.model_copy(update={"name": registered, "weights": weights}),
            "text": recipe.text.model_copy(update=text),
            "precision": "float32",
            "stages": tuple(
                stage.model_copy(update={"steps": 2, "batch": min(stage.batch, 3)})
                for stage in changed.stages
            ),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_train_their_network(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    recipe = small(name, folders)
    train(recipe, motions_data(recipe.data), tmp_path / "run", device="cpu")
    written = (tmp_path / "run" / "metrics.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in written.splitlines()]
    found = checkpoint.read(tmp_path / "run")
    method = found.method()
    assert isinstance(method, A2M2)
    channels = 64 if recipe.backbone.name == "small-rn50" else 128
    assert method.options.moments.in_channels == channels
    named = not name.endswith(FOLDERS[1:])
    assert method.uses_text is named
    assert (found.header.text is not None) is named
    assert any("contrast" in line for line in lines) is named
    assert sum("cross_entropy" in line for line in lines) == 2


def test_a_text_of_another_length_is_refused_before_training(folders: dict[str, Path]) -> None:
    recipe = small("a2m2-hmdb51-clip-vit-b16", folders)
    data = with_texts(recipe, motions_data(), device="cpu")
    assert data.train_text is not None
    other = torch.zeros(len(data.train.classes), WIDTH + 1)
    with refused(ShapeError, where="text", got=str(WIDTH + 1), expected=str(WIDTH)):
        make_learner(recipe, replace(data, train_text=other), torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a2m2-hmdb51-clip-vit-b16", {"moments.in_channels": 2048}, "expected: 2048"),
        ("a2m2-hmdb51-clip-vit-b16", {"moments.level": "middle"}, "no such level"),
        ("a2m2-hmdb51-videomae", {"frames": 4}, "reads 16 frames together"),
        ("a2m2-hmdb51-videomae", {"text_weight": 0.9}, "no text encoder"),
    ],
)
def test_a_recipe_that_does_not_fit_its_network_is_refused(
    name: str, options: dict[str, JsonValue], says: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    recipe = small(name, folders, **options)
    with pytest.raises((ShapeError, OptionError, RecipeError), match=says):
        train(recipe, motions_data(recipe.data), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_the_episodes_begin_with_the_rates_of_clip_fsar() -> None:
    for key in ("hmdb51", "ucf101", "kinetics100", "ssv2-small", "ssv2-full"):
        theirs = read(f"clip_fsar-{key}-clip-vit-b16").stages[-1]
        for network in ("clip-vit-b16", "clip-rn50"):
            ours = read(f"a2m2-{key}-{network}").stages[-1]
            assert isinstance(ours, EpisodesStage)
            own = {"groups", "clip_norm", "freeze_bn", "loss_weights"}
            assert not any(ours.loss_weights.values())
            assert ours.model_dump(exclude=own) == theirs.model_dump(exclude=own)
