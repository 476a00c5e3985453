"""Embeddings of classes carry what they were made from; those handed in carry their own hash."""

from pathlib import Path

import torch

from fewact.core.errors import OptionError, ShapeError
from fewact.lab.networks.text import (
    PRECOMPUTED,
    TEMPLATES,
    ClassTexts,
    embed_classes,
    known_texts,
)
from fewact.networks.card import TextFacts
from tests.lab.networks.text.made_up import Letters
from tests.refused import refused

NAMES = ("wave", "brush hair")


def test_embeddings_and_their_description(tmp_path: Path) -> None:
    found = embed_classes(Letters("one"), NAMES, "clip-spm", folder=tmp_path)
    assert torch.equal(
        found.embeddings, embed_classes(Letters("one"), NAMES, "clip-spm").embeddings
    )
    assert found.names == NAMES
    assert found.facts == TextFacts(
        encoder="letters", sha256="one", templates=TEMPLATES["clip-spm"]
    )
    again = Letters("one")
    assert torch.equal(
        embed_classes(again, NAMES, "clip-spm", folder=tmp_path).embeddings,
        found.embeddings,
    )
    assert again.asked == []


def test_read_only_folder_caches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = embed_classes(Letters(), NAMES, folder=file / "below")
    assert torch.equal(found.embeddings, embed_classes(Letters(), NAMES).embeddings)


def test_precomputed_embeddings_are_identified_by_their_hash() -> None:
    text = torch.arange(6.0).reshape(2, 3)
    found = known_texts(text)
    assert (found.facts.encoder, found.names) == (PRECOMPUTED, ())
    assert found.embeddings is text
    assert known_texts(text.clone()).facts == found.facts
    others = [text + torch.eye(2, 3) * 1e-6, text.reshape(3, 2), text.flip(0)]
    hashes = {known_texts(other).facts.sha256 for other in others}
    assert len(hashes | {found.facts.sha256}) == 4


def test_described_embeddings_are_returned_unchanged() -> None:
    text = ClassTexts(torch.zeros(2, 3), NAMES, TextFacts(encoder="letters", sha256="one"))
    assert known_texts(text) is text


def test_bad_input() -> None:
    with refused(ShapeError, where="text"):
        known_texts(torch.zeros(2, 3, 4))
    with refused(OptionError):
        embed_classes(Letters(), NAMES, ["a photo"])
    with refused(OptionError):
        embed_classes(Letters(), [])
