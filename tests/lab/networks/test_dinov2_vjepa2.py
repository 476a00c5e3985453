"""DINOv2 and V-JEPA 2 against transformers' own."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact.core.errors import OptionError, WeightsError
from fewact.lab import networks as lab
from fewact.lab.evaluation.result import contains_benchmark
from tests.lab.networks import tiny
from tests.refused import refused

transformers = pytest.importorskip("transformers", reason="the lab is not installed")


def create(name, folder, **options):
    weights = f"local-dir:{folder}"
    return lab.create(name, weights=weights, device="cpu", precision="float32", **options)


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (32, 3, 32, 32), dtype=torch.uint8, generator=generator)


def close(got, expected):
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def registers():
    small = {name: value for name, value in tiny.VISION.items() if name != "intermediate_size"}
    config = transformers.Dinov2WithRegistersConfig(**small, mlp_ratio=2, num_register_tokens=4)
    return tiny.stirred(transformers.Dinov2WithRegistersForImageClassification, config)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["dinov2", "registers"])
def test_features_of_dinov2_are_those_of_transformers(kind, tmp_path, tiny_folder, frames):
    if kind == "dinov2":  # of positions for 48 pixels, with images of 32
        folder, model, skipped = tiny_folder("dinov2"), tiny.dinov2(), 1
    else:
        whole = registers()
        whole.save_pretrained(tmp_path)
        folder, model, skipped = tmp_path, whole.dinov2_with_registers, 5
    made = create("dinov2", folder)
    theirs = model(pixel_values=made.normalise(frames[:3]))
    levels = made.tensors(frames[:3], ("vectors", "maps"))
    close(levels["vectors"], theirs.pooler_output)
    assert levels["maps"].shape == (3, *made.card.maps) == (3, 128, 4, 4)
    close(levels["maps"][:, :, 1, 2], theirs.last_hidden_state[:, skipped + 6])


def test_images_are_prepared_as_by_the_librarys_processor(tmp_path, tiny_folder):
    settings = {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}
    settings |= {"resample": 3, "image_mean": [0.485, 0.456, 0.406]}
    config = transformers.Dinov2Config(**{"image_size": 518, "num_hidden_layers": 1})
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    settings["image_std"] = [0.229, 0.224, 0.225]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    made = create("dinov2", tmp_path, resize="centre-crop")
    assert made.card.maps == (768, 16, 16)
    coarse = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, size=(300, 400), mode="bicubic").clamp(0, 1)
    image = (image[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy()
    theirs = transformers.BitImageProcessorPil(**settings)(image, return_tensors="pt")
    got = made.normalise(torch.from_numpy(made.prepare(image[None])))
    level = 1 / 255 / 0.224
    difference = (got - theirs["pixel_values"]).abs()
    assert difference.mean() < level
    assert difference.max() < 4 * level


@torch.no_grad()
def test_features_of_vjepa2_are_those_of_transformers(tiny_folder, frames):
    model = tiny.vjepa2()
    made = create("vjepa2", tiny_folder("vjepa2"))
    assert (made.card.frames_per_slot, made.network.frames_together) == (2, 16)
    assert made.card.input_size == (32, 32)
    levels = made.tensors(frames, ("vectors", "maps"))
    clips = made.normalise(frames).view(2, 16, 3, 32, 32)
    theirs = model.vjepa2(clips, skip_predictor=True).last_hidden_state.unflatten(1, (8, 16))
    close(levels["vectors"], theirs.mean(2).flatten(0, 1))
    for slot, row, column in ((0, 0, 0), (3, 1, 2), (15, 3, 3)):
        place = theirs[slot // 8, slot % 8, 4 * row + column]
        close(levels["maps"][slot, :, row, column], place)


def test_a_clip_of_vjepa2_has_any_number_of_frames(tiny_folder, frames):
    made = create("vjepa2", tiny_folder("vjepa2"), clip_frames=4)
    whole = create("vjepa2", tiny_folder("vjepa2"))
    assert made.card.digest != whole.card.digest
    first, again = (made.tensors(x, ("vectors",))["vectors"] for x in (frames[:8], frames[4:8]))
    close(first[2:], again)
    assert (whole.tensors(frames[:16], ("vectors",))["vectors"][2:4] - again).abs().max() > 1e-3
    with refused(OptionError, where="clip_frames", expected="a multiple of 2"):
        create("vjepa2", tiny_folder("vjepa2"), clip_frames=5)


def test_the_card_of_vjepa2_names_its_videos(tmp_path, tiny_folder):
    card = create("vjepa2", tiny_folder("vjepa2")).card
    sets = ("kinetics100_alibaba", "ssv2-small_cmn", "ucf101_arn", "hmdb51_arn")
    known = [name for name in sets if any(contains_benchmark(x, name) for x in card.trained_on)]
    assert known == ["kinetics100_alibaba", "ssv2-small_cmn"]


@pytest.mark.parametrize("name", ["dinov2", "vjepa2"])
def test_other_weights_are_refused(name, tmp_path, tiny_folder):
    with refused(WeightsError, got="'siglip'", expected=f"'{name}'"):
        create(name, tiny_folder("siglip"))
    tensors = load_file(tiny_folder(name) / "model.safetensors")
    lost = next(n for n in tensors if n.endswith("layernorm.weight") and "pooler" not in n)
    save_file({n: x for n, x in tensors.items() if n != lost}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((tiny_folder(name) / "config.json").read_text())
    with refused(WeightsError, got="1 missing"):
        create(name, tmp_path)
