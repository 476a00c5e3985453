"""Embeddings of class names: names, prompts and text encoder."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fewact import networks
from fewact.core.errors import OptionError, ResultError, UnknownNameError
from fewact.data import Video, VideoList
from fewact.lab.benchmarks import benchmark
from fewact.lab.evaluation import RunOptions, evaluate_method
from fewact.lab.evaluation.texts import class_names, embedded, read_prompts
from fewact.lab.networks.text import TEMPLATES, embed_classes, known_texts
from fewact.networks import TextSpec
from tests.lab.evaluation.made_up import Nearest, problem
from tests.lab.evaluation.test_evaluate_method import Text
from tests.lab.networks.text.made_up import Letters
from tests.refused import refused


def listed(name: str, *labels: str) -> VideoList:
    return VideoList(name, tuple(Video(f"{label}/1", label, "test") for label in labels))


def test_classes_of_a_benchmark_have_their_published_names() -> None:
    facts = benchmark("ssv2-small_cmn")
    labels = tuple(facts.counts["test"])[:3]
    names = class_names(listed("ssv2-small_cmn", *labels[::-1]))
    assert names == tuple(facts.prompts[label] for label in labels[::-1])
    assert not any(name in labels for name in names)


def test_names_of_other_classes_are_split_into_words() -> None:
    videos = listed("mine", "brush_hair", "ApplyLipstick", "slides left, then rises")
    assert class_names(videos) == ("brush hair", "Apply Lipstick", "slides left, then rises")


def test_prompts_by_name_by_template_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("doing {}\n\n  the act of {}  \n")
    assert read_prompts("clip-spm") == TEMPLATES["clip-spm"]
    assert read_prompts("someone doing {}") == ("someone doing {}",)
    assert read_prompts(str(file)) == ("doing {}", "the act of {}")
    file.write_text("doing\n")
    for wrong, error in (
        (str(file), OptionError),
        (str(tmp_path / "no.txt"), OptionError),
        ("clip-fsra", UnknownNameError),
    ):
        with pytest.raises(error, match=r"one place|templates cannot be read|Did you mean"):
            read_prompts(wrong)


@pytest.mark.parametrize(
    ("requested", "found"),
    [
        ((None, None), ("clip", "local-dir:net")),
        (("backbone", None), ("clip", "local-dir:net")),
        (("backbone", "local-dir:here"), ("clip", "local-dir:here")),
        (("minilm", None), ("minilm", "default")),
        (("siglip", "local-dir:here"), ("siglip", "local-dir:here")),
    ],
)
def test_choice_of_the_encoder(
    requested: tuple[str | None, str | None], found: tuple[str, str]
) -> None:
    names = ("encoder", "weights")
    spec = TextSpec(**{n: x for n, x in zip(names, requested, strict=True) if x is not None})
    got = spec.of_backbone("clip-vit-b16", "local-dir:net")
    assert (got.encoder, got.weights) == found


@pytest.mark.parametrize("name", ["efficientnet-lite0", "poses"])
def test_a_backbone_without_text_encoder_needs_one(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name}: the backbone has no text enc"):
        TextSpec().of_backbone(name, "default")


def test_embeddings_are_kept_between_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path))
    made: list[Letters] = []

    def create(name: str, *, weights: str, device: str) -> Letters:
        made.append(Letters(f"{name} {weights}"))
        return made[-1]

    monkeypatch.setattr(networks, "create_text", create)
    videos = listed("mine", "brush_hair", "run")
    spec = TextSpec(encoder="clip", weights="x", prompts="a {}")
    first, again = (embedded(spec, videos, device="cpu") for _ in range(2))
    assert torch.equal(
        first.embeddings, embed_classes(Letters("clip x"), ["brush hair", "run"], "a {}").embeddings
    )
    assert torch.equal(first.embeddings, again.embeddings)
    assert first.facts == again.facts
    assert [len(one.asked) for one in made] == [2, 0]
    assert len(list((tmp_path / "texts").iterdir())) == 1


def test_other_texts_make_another_setup(tmp_path: Path) -> None:
    source, videos, episodes = problem()
    letters = {"digest": Letters("other"), "prompts": Letters(), "names": Letters(), "": Letters()}
    texts = {
        what: embed_classes(
            encoder,
            [f"{label}{'!' if what == 'names' else ''}" for label in videos.classes],
            "clip-spm" if what == "prompts" else "clip-fsar",
        )
        for what, encoder in letters.items()
    }
    texts["precomputed"] = known_texts(texts[""].embeddings)

    class Reads(Text):
        def score(self, state: Any, nodes: Any) -> torch.Tensor:
            assert state.text is not None
            return super(Text, self).score(state, nodes)

    output = tmp_path / "r.json"
    result = evaluate_method(
        Reads(), source, videos, episodes, text=texts[""], run=RunOptions(output=output)
    )
    assert result.setup.text is not None
    assert result.setup.text.names == videos.classes
    assert result.setup.text.encoder == "letters"
    assert (
        evaluate_method(
            Reads(), source, videos, episodes, text=texts[""], run=RunOptions(output=output)
        )
        == result
    )
    for what in ("digest", "prompts", "names", "precomputed"):
        with refused(ResultError, where="r.json"):
            evaluate_method(
                Reads(), source, videos, episodes, text=texts[what], run=RunOptions(output=output)
            )


def test_unused_texts_are_not_in_the_setup() -> None:
    source, videos, episodes = problem()
    text = torch.zeros(len(videos.classes), 3)
    with_text = evaluate_method(Nearest(), source, videos, episodes, text=text)
    assert with_text == evaluate_method(Nearest(), source, videos, episodes)
    assert with_text.setup.text is None
