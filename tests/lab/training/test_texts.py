"""Class names in training: embedded as the recipe says, and remembered with the checkpoint."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fewact import networks
from fewact.core.errors import OptionError, TrainingError
from fewact.lab.evaluation import checkpoint
from fewact.lab.networks.text import ClassTexts, embed_classes, known_texts
from fewact.lab.training import Recipe, TrainingData, read, train
from fewact.lab.training.data import with_texts
from fewact.networks.card import TextFacts
from tests.lab.networks.text.made_up import Letters
from tests.lab.training.made_up import EPISODES, FRAMES, WIDTH, data_of, recipe_of
from tests.refused import refused

CLIP_FSAR = {
    "name": "clip_fsar",
    "options": {"frames": FRAMES, "vector_width": WIDTH, "heads": 2, "hidden": 8},
}
MINILM = {"encoder": "minilm"}


def recipe(text: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    return recipe_of(EPISODES, **{"method": CLIP_FSAR, "text": text or MINILM, **changes})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Which text encoders were made; all are of letters."""
    made: list[tuple[str, str]] = []

    def create(name: str, *, weights: str, device: str) -> Letters:
        made.append((name, weights))
        return Letters(f"{name} {weights}")

    monkeypatch.setattr(networks, "create_text", create)
    return made


@pytest.mark.slow
def test_a_checkpoint_remembers_its_texts(asked: list[Any], tmp_path: Path) -> None:
    train(recipe(), data_of(), tmp_path / "run", device="cpu")
    found = checkpoint.read(tmp_path / "run")
    text = found.header.text
    assert text is not None
    assert found.header.text_weights == "default"
    assert text == TextFacts(
        encoder="letters", sha256="minilm default", templates=("a photo of {}",)
    )
    assert found.header.options["text_width"] == Letters.width
    assert set(asked) == {("minilm", "default")}
    names = json.loads((tmp_path / "run" / "lists.json").read_text())["text"]["names"]
    assert names == [f"class {i}" for i in range(6)]
    assert (
        "| class names | by `letters`, 1 prompts each |"
        in (tmp_path / "run" / "README.md").read_text()
    )


@pytest.mark.parametrize(
    ("part", "encoder", "templates"),
    [
        ({"encoder": "siglip", "weights": "w"}, ("siglip", "w"), ["a photo of {}"]),
        ({"encoder": "minilm", "prompts": "name"}, ("minilm", "default"), ["{}"]),
        ({"encoder": "clip", "prompts": ["a {}", "b {}"]}, ("clip", "default"), ["a {}", "b {}"]),
        ({}, ("clip", "local-dir:net"), ["a photo of {}"]),
        ({"weights": "w"}, ("clip", "w"), ["a photo of {}"]),
    ],
)
def test_the_recipe_says_which(
    asked: list[Any], part: dict[str, Any], encoder: tuple[str, str], templates: list[str]
) -> None:
    network = {"name": "clip-vit-b16", "weights": "local-dir:net"}
    data = with_texts(
        recipe_of(EPISODES, method=CLIP_FSAR, text=part, backbone=network), data_of(), device="cpu"
    )
    for text, videos in ((data.train_text, data.train), (data.val_text, data.val)):
        assert isinstance(text, ClassTexts)
        wanted = embed_classes(Letters(" ".join(encoder)), videos.classes, templates).embeddings
        assert torch.equal(text.embeddings, wanted)
    assert set(asked) == {encoder}
    assert data.text_weights == encoder[1]


def test_methods_that_read_no_names_make_no_encoder(asked: list[Any]) -> None:
    data = data_of()
    assert with_texts(recipe_of(EPISODES), data, device="cpu") is data
    silent = {**CLIP_FSAR, "name": "clip_spm", "options": {"without": "spm"}}
    assert with_texts(recipe(method=silent), data, device="cpu") is data
    assert asked == []


def test_features_without_texts_ask_for_an_encoder(tmp_path: Path) -> None:
    with refused(OptionError, where="tiny"):
        train(recipe({"encoder": "backbone"}), data_of(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_texts(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(recipe(), data_of(), tmp_path / "run", device="cpu")
    train(recipe(), data_of(), tmp_path / "run", device="cpu")
    monkeypatch.setattr(networks, "create_text", lambda *_, **__: Letters("other"))
    with refused(TrainingError, what="class names"):
        train(recipe(), data_of(), tmp_path / "run", device="cpu")


@pytest.mark.slow
def test_embeddings_that_are_handed_in_are_taken(asked: list[Any], tmp_path: Path) -> None:
    data = data_of()
    text = [torch.randn(len(videos.classes), 7) for videos in (data.train, data.val)]
    given = replace(data, train_text=text[0], val_text=text[1])
    train(recipe(), given, tmp_path / "run", device="cpu")
    facts = checkpoint.read(tmp_path / "run").header
    assert facts.text is not None
    assert (facts.text, facts.text_weights) == (known_texts(text[0]).facts, "")
    assert facts.options["text_width"] == 7
    assert asked == []


def test_texts_that_do_not_fit_are_refused() -> None:
    data = data_of()
    names = data.train.classes, data.val.classes
    good = [embed_classes(Letters(), one) for one in names]
    TrainingData(data.train, data.val, train_text=good[0], val_text=good[1])
    for texts, told in (
        ((good[0], None), "only one of the two lists"),
        (
            (good[1], good[0]),
            r"number of embeddings differs from the number of classes \(got \(5, 5\)\)",
        ),
        ((good[0], embed_classes(Letters("other"), names[1])), "different text encoders"),
        ((good[0], embed_classes(Letters(), names[1], "name")), "different text encoders"),
    ):
        with pytest.raises(TrainingError, match=told):
            TrainingData(data.train, data.val, train_text=texts[0], val_text=texts[1])


def test_an_older_recipe_is_read_as_before(tmp_path: Path) -> None:
    content = json.loads(recipe_of(EPISODES).model_dump_json())
    del content["text"], content["stages"][0]["betas"]
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(content))
    assert read(file) == recipe_of(EPISODES)
