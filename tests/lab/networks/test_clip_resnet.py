"""CLIP's ResNet-50 against a slow one that is written from the paper's description alone."""

import math

import pytest
import torch
from safetensors.torch import save_file

from fewact.core.errors import WeightsError
from fewact.lab import networks as lab
from fewact.lab.networks.torch_weights import tensors_of
from tests.lab.networks import tiny
from tests.refused import refused

HEADS = 32


def create(weights):
    return lab.create("clip-rn50", weights=weights, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def tensors(random_backbone):
    """All tensors under OpenAI's names, none as it is made."""
    generator = torch.Generator().manual_seed(2)
    found = {}
    for name, tensor in tensors_of(random_backbone("clip-rn50").network).items():
        noise = torch.randn(tensor.shape, generator=generator)
        found[name] = tensor + (0.1 * noise.abs() if "running_var" in name else 0.02 * noise)
    return found


@pytest.fixture(scope="module")
def seen(tensors, frames, tmp_path_factory):
    """A backbone with these tensors, read from their file, and its levels of an image."""
    file = tmp_path_factory.mktemp("RN50") / "RN50.safetensors"
    save_file(tensors, file)
    made = create(file)
    return made, made.tensors(frames[:1], ("middle", "maps", "vectors"))


def convolve(x, weight, stride=1, padding=0):
    """A convolution by windows and one product, in float64."""
    outputs, _, size, _ = weight.shape
    windows = torch.nn.functional.unfold(x, size, padding=padding, stride=stride)
    side = (x.shape[-1] + 2 * padding - size) // stride + 1
    return (weight.flatten(1) @ windows).view(len(x), outputs, side, side)


def normalise(x, t, name):
    scale = t[f"{name}.weight"] / (t[f"{name}.running_var"] + 1e-5).sqrt()
    shift = t[f"{name}.bias"] - t[f"{name}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def mean_of_squares(x, stride):
    n, c, h, w = x.shape
    return x.view(n, c, h // stride, stride, w // stride, stride).mean((3, 5))


def slow(t, images):
    """The maps at stride 16 and 32 and the vectors, block by block."""
    x = images
    for number, stride in ((1, 2), (2, 1), (3, 1)):
        x = convolve(x, t[f"visual.conv{number}.weight"], stride, 1)
        x = normalise(x, t, f"visual.bn{number}").clamp(min=0)
    x = mean_of_squares(x, 2)
    found = []
    for layer, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(blocks):
            name = f"visual.layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            y = normalise(convolve(x, t[f"{name}.conv1.weight"]), t, f"{name}.bn1").clamp(min=0)
            y = convolve(y, t[f"{name}.conv2.weight"], 1, 1)
            y = mean_of_squares(normalise(y, t, f"{name}.bn2").clamp(min=0), stride)
            y = normalise(convolve(y, t[f"{name}.conv3.weight"]), t, f"{name}.bn3")
            if block == 0:
                x = convolve(mean_of_squares(x, stride), t[f"{name}.downsample.0.weight"])
                x = normalise(x, t, f"{name}.downsample.1")
            x = (x + y).clamp(min=0)
        found.append(x)
    return found[2], found[3], slow_pool(t, found[3])


def slow_pool(t, maps):
    """Attention of the mean over the mean and all places, head by head."""
    pool = "visual.attnpool."
    vectors = []
    for one in maps:
        places = one.flatten(1).T  # (49 c)
        tokens = torch.cat([places.mean(0, keepdim=True), places])
        tokens = tokens + t[f"{pool}positional_embedding"]
        q, k, v = (
            part @ t[f"{pool}{x}_proj.weight"].T + t[f"{pool}{x}_proj.bias"]
            for x, part in (("q", tokens[0]), ("k", tokens), ("v", tokens))
        )
        width = len(q) // HEADS
        joined = []
        for head in range(HEADS):
            here = slice(head * width, (head + 1) * width)
            weights = (k[:, here] @ q[here] / math.sqrt(width)).softmax(0)
            joined.append(weights @ v[:, here])
        vectors.append(t[f"{pool}c_proj.weight"] @ torch.cat(joined) + t[f"{pool}c_proj.bias"])
    return torch.stack(vectors)


@pytest.mark.slow
def test_each_level_equals_the_slow_reference(tensors, seen, frames):
    made, levels = seen
    wide = {name: tensor.double() for name, tensor in tensors.items()}
    for got, expected in zip(
        levels.values(), slow(wide, made.normalise(frames[:1]).double()), strict=True
    ):
        size = float(expected.abs().max())
        torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-5 * size)


@pytest.mark.slow
def test_attention_pooling_equals_that_of_torch(tensors, seen):
    _, levels = seen
    wide = {name: tensor.double() for name, tensor in tensors.items()}
    tokens = levels["maps"].double().flatten(2).permute(2, 0, 1)  # (49 n c)
    place = wide["visual.attnpool.positional_embedding"][:, None]
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens]) + place
    p = {x: wide[f"visual.attnpool.{x}_proj.weight"] for x in "qkvc"}
    b = {x: wide[f"visual.attnpool.{x}_proj.bias"] for x in "qkvc"}
    expected, _ = torch.nn.functional.multi_head_attention_forward(
        tokens[:1], tokens, tokens, 2048, HEADS, None,
        torch.cat([b["q"], b["k"], b["v"]]), None, None, False, 0.0, p["c"], b["c"],
        use_separate_proj_weight=True,
        q_proj_weight=p["q"], k_proj_weight=p["k"], v_proj_weight=p["v"],
    )  # fmt: skip
    # Rounding is of the largest numbers that are added, whatever is left of them.
    size = expected.abs().max().item()
    torch.testing.assert_close(levels["vectors"].double(), expected[0], rtol=0, atol=1e-5 * size)


@pytest.mark.slow
def test_openais_names_are_read_without_the_text_half(tensors, tmp_path):
    names = set(tensors)
    assert {"visual.conv3.weight", "visual.layer1.0.downsample.1.running_mean"} <= names
    assert {"visual.attnpool.c_proj.bias", "visual.attnpool.positional_embedding"} <= names
    assert len(names) == 55 * 5 + 9, "55 convolutions with their norms, and the pool"
    others = {
        "transformer.resblocks.0.ln_1.weight": torch.ones(8),
        "token_embedding.weight": torch.ones(4, 8),
        "positional_embedding": torch.ones(2, 8),
        "ln_final.bias": torch.ones(8),
        "text_projection": torch.ones(8, 8),
        "logit_scale": torch.tensor(1.0),
        "input_resolution": torch.tensor(224),
        "visual.bn1.num_batches_tracked": torch.tensor(3),
    }
    half = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(half | others, tmp_path / "whole.safetensors")
    made = create(tmp_path / "whole.safetensors")
    assert made.card.vectors == 1024
    for name, tensor in made.network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, tensors[name].half().float()), name


@pytest.mark.slow
def test_texts_come_from_the_same_file(tensors, tmp_path):
    pytest.importorskip("transformers", reason="the lab is not installed")
    from tests.lab.networks.test_clip import in_openais_layout

    model = tiny.clip()
    text = in_openais_layout(model.state_dict())
    text = {name: tensor for name, tensor in text.items() if not name.startswith("visual.")}
    save_file(
        tensors | {name: tensor.contiguous() for name, tensor in text.items()},
        tmp_path / "RN50.safetensors",
    )
    made = create(tmp_path / "RN50.safetensors")
    with refused(WeightsError, got="none of its files", expected="tokenizer.json"):
        _ = made.text
    tiny.save_letters(tmp_path)
    assert made.text.encode(["a cat", "a dog"]).shape == (2, 24)


def test_a_vision_transformer_is_refused(tmp_path, tiny_folder):
    with refused(WeightsError, what="clip-rn50", got="284 missing"):
        create(f"local-dir:{tiny_folder('clip-vit')}")
