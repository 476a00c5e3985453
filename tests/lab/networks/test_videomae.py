"""VideoMAE against transformers' own."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact import networks
from fewact.core.errors import WeightsError
from fewact.lab import networks as lab
from fewact.lab.evaluation.result import contains_benchmark
from fewact.lab.networks.hf import SSV2
from tests.lab.networks import tiny
from tests.refused import refused

transformers = pytest.importorskip("transformers", reason="the lab is not installed")


def create(folder):
    return lab.create("videomae", weights=f"local-dir:{folder}", device="cpu", precision="float32")


@pytest.fixture
def frames():
    """Two clips."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (32, 3, 32, 32), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def states(encoder, made, frames):
    """The encoder's last states (clips, slots, places, d)."""
    clips = made.normalise(frames).view(-1, 16, 3, 32, 32)
    return encoder(pixel_values=clips).last_hidden_state.unflatten(1, (8, 16))


@pytest.mark.slow
def test_features_are_taken_before_the_classifier(tiny_folder, frames):
    model = tiny.videomae()
    made = create(tiny_folder("videomae"))
    assert (made.card.frames_per_slot, made.network.frames_together) == (2, 16)
    levels = made.tensors(frames, ("vectors", "maps"))
    reference = states(model.videomae, made, frames)
    with torch.no_grad():
        pooled = model.fc_norm(reference.mean(2)).flatten(0, 1)
        whole = model(pixel_values=made.normalise(frames).view(-1, 16, 3, 32, 32)).logits
    torch.testing.assert_close(levels["vectors"], pooled, rtol=0, atol=1e-5)
    for slot, row, column in ((0, 0, 0), (3, 1, 2), (15, 3, 3)):
        got = levels["maps"][slot, :, row, column]
        place = reference[slot // 8, slot % 8, 4 * row + column]
        torch.testing.assert_close(got, place, rtol=0, atol=1e-5)
    with torch.no_grad():  # From the maps alone the library's own answer follows.
        mean = levels["maps"].unflatten(0, (2, 8)).mean((1, 3, 4))
        torch.testing.assert_close(model.classifier(model.fc_norm(mean)), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooled", [False, True], ids=["norm of its own", "no norm"])
@pytest.mark.parametrize("kind", ["VideoMAEModel", "VideoMAEForPreTraining"])
@pytest.mark.slow
def test_an_encoder_without_a_classifier_is_read(tmp_path, frames, kind, pooled):
    config = transformers.VideoMAEConfig(
        **tiny.VISION,
        num_frames=16,
        use_mean_pooling=pooled,
        decoder_num_attention_heads=1,
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_intermediate_size=32,
    )
    model = tiny.stirred(getattr(transformers, kind), config)
    model.save_pretrained(tmp_path)
    made = create(tmp_path)
    reference = states(getattr(model, "videomae", model), made, frames).mean(2).flatten(0, 1)
    got = made.tensors(frames, ("vectors",))["vectors"]
    torch.testing.assert_close(got, reference, rtol=0, atol=1e-5)


def test_biases_under_the_names_of_earlier_transformers_are_read(tmp_path, tiny_folder):
    old = {}
    for name, tensor in load_file(tiny_folder("videomae") / "model.safetensors").items():
        name = name.replace(".query.bias", ".q_bias").replace(".value.bias", ".v_bias")
        old[name] = tensor
    assert any(name.endswith("q_bias") for name in old)
    save_file(old, tmp_path / "model.safetensors")
    config = (tiny_folder("videomae") / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    new = create(tiny_folder("videomae"))
    assert create(tmp_path).card.weights_sha256 == new.card.weights_sha256


def test_features_depend_on_the_order_of_frames_in_a_clip(tiny_folder, frames):
    made = create(tiny_folder("videomae"))
    plain = made.tensors(frames, ("vectors",))["vectors"]
    changed = frames.clone()
    changed[31] = 255 - changed[31]
    other = made.tensors(changed, ("vectors",))["vectors"]
    assert torch.equal(plain[:8], other[:8]), "another clip's frames change nothing"
    assert (plain[8:] - other[8:]).abs().amax(1).min() > 1e-4, "its own change every slot"


@pytest.mark.parametrize(
    ("labels", "trained_on", "flagged"),
    [
        (400, "Kinetics-400", "kinetics100_alibaba"),
        (174, "Something-Something V2", "ssv2-small_cmn"),
    ],
)
def test_the_card_names_the_training_data(tmp_path, tiny_folder, labels, trained_on, flagged):
    config = json.loads((tiny_folder("videomae") / "config.json").read_text())
    config["id2label"] = {str(number): f"class {number}" for number in range(labels)}
    tensors = load_file(tiny_folder("videomae") / "model.safetensors")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert create(tmp_path).card.trained_on == (trained_on,)
    names = ("kinetics100_alibaba", "ssv2-small_cmn", "ucf101_arn")
    assert [name for name in names if contains_benchmark(trained_on, name)] == [flagged]


def test_a_folder_of_the_data_set_says_nothing_of_the_training(tmp_path, tiny_folder):
    plain = create(tiny_folder("videomae")).card
    for name, trained_on in (("videomae", "Kinetics-400"), ("videomae-ssv2", SSV2)):
        folder = tmp_path / "ssv2" / name
        shutil.copytree(tiny_folder("videomae"), folder)
        card = create(folder).card
        assert card.trained_on == (trained_on,)
    assert create(tmp_path / "ssv2" / "videomae").card.digest == plain.digest


def test_the_number_of_frames_that_are_read_together_is_part_of_the_digest(
    tmp_path, tiny_folder, frames
):
    folder = tmp_path / "videomae"
    shutil.copytree(tiny_folder("videomae"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_frames": 8}))
    made = [create(one) for one in (tiny_folder("videomae"), folder)]
    first, second = (one.tensors(frames, ("vectors",))["vectors"] for one in made)
    assert not torch.allclose(first, second, atol=1e-3)
    assert made[0].card.weights_sha256 == made[1].card.weights_sha256
    assert made[0].card.digest != made[1].card.digest
    assert made[0].card.network_digest != made[1].card.network_digest


def test_another_network_is_refused(tiny_folder):
    with refused(WeightsError, got="model_type = 'clip'", expected="'videomae'"):
        create(tiny_folder("clip-vit"))


@pytest.mark.slow
def test_at_full_size_features_are_those_of_transformers(tmp_path):
    model = tiny.stirred(
        transformers.VideoMAEForVideoClassification,
        transformers.VideoMAEConfig(num_labels=400, num_hidden_layers=4),
    )
    model.save_pretrained(tmp_path)
    made = create(tmp_path)
    frames = torch.randint(0, 256, (16, 3, 224, 224), dtype=torch.uint8)
    levels = made.tensors(frames, ("vectors", "maps"))
    with torch.no_grad():
        reference = model.videomae(pixel_values=made.normalise(frames)[None]).last_hidden_state
        vectors = model.fc_norm(reference[0].unflatten(0, (8, 196)).mean(1))
    torch.testing.assert_close(levels["vectors"], vectors, rtol=0, atol=1e-5)
    assert levels["maps"].shape == (8, *networks.describe("videomae").maps)
