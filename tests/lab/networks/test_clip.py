"""Vision transformers of CLIP and SigLIP against transformers' own, in all layouts of weights."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact import networks
from fewact.core.errors import WeightsError
from fewact.lab import networks as lab
from fewact.lab.networks.clip import openai_names
from tests.lab.networks import tiny
from tests.refused import refused

pytest.importorskip("transformers", reason="the lab is not installed")


def create(weights, name="clip-vit"):
    return lab.create(name, weights=weights, device="cpu", precision="float32")


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture
def change(tmp_path, tiny_folder):
    """A copy of a tiny model's folder with another configuration, tensors or files."""

    def run(name="clip-vit", *, config=None, tensors=None, files=None):
        folder = shutil.copytree(tiny_folder(name), tmp_path / "copy", dirs_exist_ok=True)
        if config is not None:
            path = folder / "config.json"
            path.write_text(json.dumps(config(json.loads(path.read_text()))))
        if tensors is not None:
            path = folder / "model.safetensors"
            save_file(tensors(load_file(path)), path)
        for file, content in (files or {}).items():
            (folder / file).write_text(json.dumps(content))
        return f"local-dir:{folder}"

    return run


def expected(model, made, images):
    """Return the features of transformers' own model."""
    with torch.no_grad():
        return model.get_image_features(pixel_values=made.normalise(images))


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny.clip, tiny.metaclip], ids=["clip", "metaclip-2"])
def test_features_are_those_of_transformers(make, tmp_path, images):
    model = make()
    model.save_pretrained(tmp_path)
    made = create(f"local-dir:{tmp_path}")
    theirs = expected(model, made, images)
    levels = made.tensors(images, ("vectors", "maps"))
    torch.testing.assert_close(levels["vectors"], theirs.pooler_output, rtol=0, atol=1e-5)
    with torch.no_grad():
        tokens = model.vision_model.post_layernorm(theirs.last_hidden_state)
    for place, (row, column) in {0: (0, 0), 1: (0, 1), 6: (1, 2)}.items():
        got = levels["maps"][:, :, row, column]
        torch.testing.assert_close(got, tokens[:, 1 + place], rtol=0, atol=1e-5)
    assert made.card.vectors == 24
    assert made.card.interpolation == "bicubic"


def test_features_of_siglip_are_those_of_transformers(tiny_folder, images):
    made = create(f"local-dir:{tiny_folder('siglip')}", "siglip")
    theirs = expected(tiny.siglip(), made, images)
    levels = made.tensors(images, ("vectors", "maps"))
    torch.testing.assert_close(levels["vectors"], theirs.pooler_output, rtol=0, atol=1e-5)
    tokens = theirs.last_hidden_state
    torch.testing.assert_close(levels["maps"][:, :, 1, 2], tokens[:, 6], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["clip-vit", "siglip"])
def test_the_vision_half_alone_is_read_too(name, tmp_path, tiny_folder, images):
    import transformers

    kind = {"clip-vit": "CLIPVisionModelWithProjection", "siglip": "SiglipVisionModel"}[name]
    whole = create(f"local-dir:{tiny_folder(name)}", name)
    half = getattr(transformers, kind).from_pretrained(
        tiny_folder(name), **({"projection_dim": 24} if name == "clip-vit" else {})
    )
    half.save_pretrained(tmp_path)
    alone = create(f"local-dir:{tmp_path}", name)
    assert alone.card.weights_sha256 == whole.card.weights_sha256
    assert torch.equal(*(made.tensors(images, ("vectors",))["vectors"] for made in (alone, whole)))
    with refused(WeightsError, got="vision_model"):
        _ = alone.text


def in_openais_layout(tensors):
    """Tensors of transformers' CLIP as OpenAI's file has them; written from its description."""
    found = {}
    for tower, prefix in (("vision_model", "visual."), ("text_model", "")):
        for i in range(2):
            theirs = f"{tower}.encoder.layers.{i}."
            ours = f"{prefix}transformer.resblocks.{i}."
            for kind in ("weight", "bias"):
                parts = [tensors[f"{theirs}self_attn.{x}_proj.{kind}"] for x in "qkv"]
                found[f"{ours}attn.in_proj_{kind}"] = torch.cat(parts)
                for a, b in (
                    ("attn.out_proj", "self_attn.out_proj"),
                    ("ln_1", "layer_norm1"),
                    ("ln_2", "layer_norm2"),
                    ("mlp.c_fc", "mlp.fc1"),
                    ("mlp.c_proj", "mlp.fc2"),
                ):
                    found[f"{ours}{a}.{kind}"] = tensors[f"{theirs}{b}.{kind}"]
    for a, b in (
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("ln_final", "text_model.final_layer_norm"),
    ):
        found |= {f"{a}.{kind}": tensors[f"{b}.{kind}"] for kind in ("weight", "bias")}
    vision, text = "vision_model.embeddings.", "text_model.embeddings."
    found |= {
        "visual.conv1.weight": tensors[f"{vision}patch_embedding.weight"],
        "visual.class_embedding": tensors[f"{vision}class_embedding"],
        "visual.positional_embedding": tensors[f"{vision}position_embedding.weight"],
        "visual.proj": tensors["visual_projection.weight"].T.contiguous(),
        "token_embedding.weight": tensors[f"{text}token_embedding.weight"],
        "positional_embedding": tensors[f"{text}position_embedding.weight"],
        "text_projection": tensors["text_projection.weight"].T.contiguous(),
        "logit_scale": tensors["logit_scale"],
        "input_resolution": torch.tensor(32),
        "context_length": torch.tensor(24),
        "vocab_size": torch.tensor(len(tiny.clip_vocabulary())),
    }
    return found


def test_openais_names_give_the_same_network_and_texts(tmp_path, tiny_folder, images):
    tensors = load_file(tiny_folder("clip-vit") / "model.safetensors")
    file = tmp_path / "ViT.safetensors"
    save_file(in_openais_layout(tensors), file)
    tiny.save_letters(tmp_path)
    ours, theirs = create(file), create(f"local-dir:{tiny_folder('clip-vit')}")
    assert ours.card.weights_sha256 == theirs.card.weights_sha256
    assert ours.card.digest == theirs.card.digest
    assert ours.text.digest == theirs.text.digest
    vectors = [made.tensors(images, ("vectors",))["vectors"] for made in (ours, theirs)]
    assert torch.equal(*vectors)
    assert torch.equal(*(made.text.encode(["a cat"]) for made in (ours, theirs)))


def test_an_unrelated_configuration_is_ignored(tmp_path, tiny_folder):
    tensors = load_file(tiny_folder("clip-vit") / "model.safetensors")
    save_file(in_openais_layout(tensors), tmp_path / "open_clip.safetensors")
    (tmp_path / "config.json").write_text('{"model_cfg": {"embed_dim": 24}}')
    made, reference = (
        create(f"local-dir:{folder}") for folder in (tmp_path, tiny_folder("clip-vit"))
    )
    assert made.card.digest == reference.card.digest


def test_the_configuration_of_openclip_states_what_no_tensor_shows(tmp_path, tiny_folder, images):
    import transformers

    config = transformers.CLIPConfig.from_pretrained(tiny_folder("clip-vit"))
    config.vision_config.hidden_act, config.vision_config.num_attention_heads = "gelu", 4
    model = tiny.stirred(transformers.CLIPModel, config)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(in_openais_layout(tensors), tmp_path / "open_clip_model.safetensors")
    stated = {
        "model_cfg": {"embed_dim": 24, "vision_cfg": {"head_width": 32}},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "interpolation": "bilinear"},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(stated))
    made = create(f"local-dir:{tmp_path}")
    assert made.card.mean == (0.5, 0.4, 0.3)
    assert (made.card.interpolation, made.card.variant) == (
        "bilinear",
        "gelu, 4 heads, epsilon 1e-05",
    )
    got = made.tensors(images, ("vectors",))["vectors"]
    theirs = expected(model, made, images)
    assert torch.allclose(got, getattr(theirs, "pooler_output", theirs), atol=1e-5)


def test_every_name_of_openais_layout_has_one_of_transformers(tiny_folder):
    tensors = load_file(tiny_folder("clip-vit") / "model.safetensors")
    sizes = ("input_resolution", "context_length", "vocab_size")
    renamed = openai_names(in_openais_layout(tensors))
    assert set(renamed) - set(sizes) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(renamed[name], tensor), name


def test_both_layouts_in_one_file_are_refused(tmp_path, tiny_folder):
    tensors = load_file(tiny_folder("clip-vit") / "model.safetensors")
    both = {name: tensor.clone() for name, tensor in in_openais_layout(tensors).items()}
    save_file(tensors | both, tmp_path / "both.safetensors")
    with refused(WeightsError, where="both.safetensors", what="two names"):
        create(tmp_path / "both.safetensors")


def test_the_header_may_name_another_activation(tmp_path, tiny_folder, images):
    tensors = in_openais_layout(load_file(tiny_folder("clip-vit") / "model.safetensors"))
    made = []
    for number, header in enumerate((None, {"hidden_act": "gelu"})):
        save_file(tensors, tmp_path / f"{number}.safetensors", header)
        made.append(create(tmp_path / f"{number}.safetensors"))
    assert "quick_gelu" in made[0].card.variant
    first, second = (one.tensors(images, ("vectors",))["vectors"] for one in made)
    assert not torch.equal(first, second)
    assert made[0].card.weights_sha256 == made[1].card.weights_sha256
    assert made[0].card.digest != made[1].card.digest


def test_positions_of_earlier_transformers_are_ignored(change, tiny_folder):
    def add(tensors):
        return tensors | {
            "vision_model.embeddings.position_ids": torch.arange(17)[None],
            "text_model.embeddings.position_ids": torch.arange(24)[None],
        }

    made = create(change(tensors=add))
    plain = create(f"local-dir:{tiny_folder('clip-vit')}")
    assert made.card.weights_sha256 == plain.card.weights_sha256
    assert made.text.digest == plain.text.digest


def drop(name):
    return lambda tensors: {n: t for n, t in tensors.items() if n != name}


def rename_all(tensors):
    return {f"model.{name}": tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("name", "changes", "fields"),
    [
        ("clip-vit", {"tensors": drop("visual_projection.weight")}, {"got": "1 missing (visual"}),
        ("clip-vit", {"tensors": rename_all}, {"got": "40 missing"}),
        ("siglip", {"tensors": drop("vision_model.head.probe")}, {"got": "1 missing (vision"}),
        ("clip-vit", {"config": lambda c: {**c, "model_type": "siglip"}}, {"got": "'siglip'"}),
        ("siglip", {"config": lambda c: {**c, "model_type": "siglip2"}}, {"expected": "'siglip'"}),
        (
            "clip-vit",
            {"config": lambda c: {**c, "vision_config": {"hidden_size": "wide"}}},
            {"got": "hidden_size"},
        ),
        (
            "clip-vit",
            {"config": lambda c: {**c, "projection_dim": 25}},
            {"got": "visual_projection.weight (24, 128) for (25, 128)"},
        ),
        (
            "clip-vit",
            {"files": {"preprocessor_config.json": {"resample": 1}}},
            {"got": "resample = 1", "expected": "2 (bilinear), 3 (bicubic)"},
        ),
        (
            "clip-vit",
            {"files": {"preprocessor_config.json": {"image_mean": [0.5, 0.5]}}},
            {"where": "image_mean", "got": "[0.5, 0.5]"},
        ),
        (
            "clip-vit",
            {"config": lambda c: {**c, "vision_config": {**tiny.VISION, "hidden_act": "GELU"}}},
            {"got": "KeyError: 'GELU'"},
        ),
        (
            "clip-vit",
            {"config": lambda c: {**c, "vision_config": {**tiny.VISION, "patch_size": 0}}},
            {"where": "patch_size", "got": "0"},
        ),
        ("clip-vit-b32", {}, {"got": "= 128", "expected": "768", "hint": "clip-vit"}),
    ],
)
def test_weights_of_other_networks_are_refused(change, name, changes, fields):
    weights = change("siglip" if name == "siglip" else "clip-vit", **changes)
    with refused(WeightsError, **fields):
        create(weights, name)


def test_the_folder_decides_how_images_are_prepared(change):
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 2], "resample": 2}
    card = create(change(files={"preprocessor_config.json": settings})).card
    assert (card.mean, card.std) == ((0.1, 0.2, 0.3), (1.0, 1.0, 2.0))
    assert card.interpolation == "bilinear"


@pytest.mark.slow
def test_the_file_of_a_whole_processor_decides_first(change):
    both = {
        "processor_config.json": {
            "image_processor": {"image_mean": [0.1, 0.2, 0.3], "resample": 2}
        },
        "preprocessor_config.json": {"image_mean": [0.5, 0.5, 0.5], "resample": 3},
    }
    card = create(change(files=both)).card
    assert (card.mean, card.interpolation) == ((0.1, 0.2, 0.3), "bilinear")
    text = {**both, "processor_config.json": {"processor_class": "CLIPProcessor"}}
    assert create(change(files=text)).card.mean == (0.5, 0.5, 0.5)


def test_bicubic_frames_are_within_a_level_of_exact_resizing(tiny_folder):
    made = create(f"local-dir:{tiny_folder('clip-vit')}")
    image = torch.randint(0, 256, (150, 201, 3), dtype=torch.uint8).numpy()
    exact = torch.nn.functional.interpolate(
        torch.tensor(image).permute(2, 0, 1)[None].double(),
        (32, 32),
        mode="bicubic",
        antialias=True,
    )[0].clamp(0, 255)
    assert (torch.from_numpy(made.prepare(image)).double() - exact).abs().max() <= 1.01


def test_without_transformers_the_extra_is_named(monkeypatch, tiny_folder):
    import sys

    weights = f"local-dir:{tiny_folder('clip-vit')}"
    monkeypatch.setitem(sys.modules, "transformers", None)
    with refused(WeightsError, hint="pip install 'fewact[lab]'"):
        create(weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip-vit-b32"])
def test_at_full_size_features_are_those_of_transformers(name, tmp_path):
    from transformers import CLIPConfig, CLIPModel

    patch = int(name[-2:])
    text = {"num_hidden_layers": 1}
    model = tiny.stirred(
        CLIPModel, CLIPConfig(vision_config={"patch_size": patch}, text_config=text)
    )
    model.save_pretrained(tmp_path)
    made = lab.create(name, weights=f"local-dir:{tmp_path}", device="cpu", precision="float32")
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    theirs = expected(model, made, images)
    levels = made.tensors(images, ("vectors", "maps"))
    torch.testing.assert_close(levels["vectors"], theirs.pooler_output, rtol=0, atol=1e-5)
    assert levels["maps"].shape == (2, *networks.describe(name).maps)
