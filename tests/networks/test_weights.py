"""Reading weights: all of them, the right ones, or an error that says what is wrong."""

import hashlib
import json

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.core.arrays import save_tensors
from fewact.core.errors import WeightsError
from fewact.networks.packaged import PACKAGED_NETWORKS
from fewact.networks.weights import random, read
from tests.refused import refused

NAME = "mobilenet-v2"
KEY = "features.3.conv.1.0.weight"


@pytest.fixture(scope="session")
def tensors():
    """All tensors of a MobileNet v2, as its file would hold them."""
    return random(PACKAGED_NETWORKS[NAME].shapes)


@pytest.fixture
def save(tmp_path, tensors):
    """Save the tensors with some changed, left out (None) or added, and return the file."""

    def run(changes=None, *, folder="", file="net.safetensors", metadata=None):
        changed = {k: v for k, v in {**tensors, **(changes or {})}.items() if v is not None}
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_bytes(save_tensors(changed, metadata))
        return tmp_path / folder / file

    return run


def create(weights, name=NAME, **options):
    return networks.create(name, weights=weights, device="cpu", **options)


def loaded(weights):
    return PACKAGED_NETWORKS[NAME].fitting(read(weights))


def test_a_file_gives_the_weights_that_are_in_it(save, tensors):
    path = save({"classifier.1.weight": np.zeros((7, 1280), np.float32)})
    found = loaded(path)
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)
    assert create(path).card.weights == str(path)


def test_the_card_hashes_the_tensors_and_nothing_else(save, tensors):
    content = b"".join(tensors[name].tobytes() for name in sorted(tensors))
    expected = hashlib.sha256(content).hexdigest()
    with_more = {
        "classifier.1.bias": np.zeros(3, np.float32),
        "features.0.1.num_batches_tracked": np.array(9),
    }
    assert create(save()).card.weights_sha256 == expected
    assert create(save(with_more, file="b.safetensors")).card.weights_sha256 == expected
    other = {KEY: tensors[KEY] * np.float32(1.0001)}
    assert create(save(other, file="c.safetensors")).card.weights_sha256 != expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_read_as_float32(tmp_path, tensors, dtype):
    from safetensors.torch import save_file

    half = {name: torch.from_numpy(tensor).to(dtype) for name, tensor in tensors.items()}
    save_file(half, tmp_path / "half.safetensors")
    found = loaded(tmp_path / "half.safetensors")
    assert found[KEY].dtype == np.float32
    np.testing.assert_array_equal(found[KEY], half[KEY].float().numpy())


def test_the_header_replaces_facts_of_the_default_weights(save):
    card = create(save(metadata={"licence": "MIT", "trained_on": "Kinetics-400, HMDB51"})).card
    assert (card.licence, card.trained_on) == ("MIT", ("Kinetics-400", "HMDB51"))
    card = create(save(file="plain.safetensors")).card
    assert (card.licence, card.trained_on) == ("as the file states", ("ImageNet-1k",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({KEY: None}, rf"of its 260 tensors 1 missing \({KEY}\)"),
        ({"extra": np.zeros(1)}, r"1 unknown \(extra\)"),
        ({KEY: np.zeros(3)}, rf"of another shape .*1 of 260: {KEY} \(3,\) for \(144, 1, 3, 3\)"),
        ({KEY: np.zeros((144, 1, 3, 3), np.int8)}, rf"not floating-point .*{KEY}"),
        ({KEY: np.full((144, 1, 3, 3), np.nan)}, rf"not finite .*{KEY}"),
        ({KEY: np.full((144, 1, 3, 3), np.inf)}, rf"not finite .*{KEY}"),
        ({KEY: np.full((144, 1, 3, 3), 1e300)}, rf"not finite .*{KEY}"),
        ({"features.0.1.running_var": -np.ones(32)}, "negative variances"),
    ],
    ids=["missing", "unknown", "shape", "type", "nan", "inf", "too large", "variance"],
)
def test_wrong_tensors_are_named(save, changes, message):
    with pytest.raises(WeightsError, match=message):
        create(save(changes))


def test_renamed_tensors_are_refused_with_the_first_few_and_their_number(tensors, tmp_path):
    renamed = {f"module.{name}": tensor for name, tensor in tensors.items()}
    (tmp_path / "a.safetensors").write_bytes(save_tensors(renamed))
    with pytest.raises(WeightsError) as caught:
        create(tmp_path / "a.safetensors")
    message = str(caught.value)
    assert "260 missing (features.0.0.weight, features.0.1.bias, " in message
    assert "260 unknown (module.features.0.0.weight, " in message
    assert str(tmp_path / "a.safetensors") in message
    assert len(message) < 700


def test_weights_of_another_network_are_refused(save):
    with refused(WeightsError, what="efficientnet-lite0"):
        create(save(), "efficientnet-lite0")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x80\x04\x95 a pickle", None])
def test_other_files_than_safetensors_are_refused(save, content):
    path = save()
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with refused(WeightsError, where=str(path)):
        create(path)


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".PTH"])
def test_pickles_are_never_read_and_the_error_says_how_to_convert_them(
    tmp_path, suffix, monkeypatch
):
    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was read")

    path = tmp_path / f"net{suffix}"
    torch.save({}, path)
    monkeypatch.setattr(torch, "load", refuse)
    with refused(WeightsError, where=str(path), hint="save_file(torch.load"):
        create(path)


@pytest.mark.parametrize("weights", ["imagenet", "no/such/file.safetensors", "hf_hub:a/b"])
def test_missing_weights_are_refused_with_the_expected_forms(weights):
    with refused(WeightsError, where=weights, expected="default, random, hf-hub"):
        create(weights)


def test_a_folder_is_read_with_local_dir(save, tensors):
    path = save(folder="weights", file="model.safetensors")
    made = create(f"local-dir:{path.parent}")
    np.testing.assert_array_equal(loaded(f"local-dir:{path.parent}")[KEY], tensors[KEY])
    assert made.card.weights == f"local-dir:{path.parent}"
    with refused(WeightsError, hint='Say "local-dir:'):
        create(path.parent)


def test_a_folder_may_hold_one_file_of_any_name_or_model_safetensors(save, tmp_path):
    path = save(folder="weights", file="mine.safetensors")
    create(f"local-dir:{path.parent}")
    save({KEY: None}, folder="weights", file="other.safetensors")
    with refused(WeightsError, got="mine.safetensors, other.safetensors"):
        create(f"local-dir:{path.parent}")
    save(folder="weights", file="model.safetensors")
    create(f"local-dir:{path.parent}")


def test_folders_without_safetensors_are_refused(tmp_path):
    with refused(WeightsError, where="missing"):
        create(f"local-dir:{tmp_path}/missing")
    with refused(WeightsError, got="none"):
        create(f"local-dir:{tmp_path}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with refused(WeightsError, got="pytorch_model.bin", hint="save_file"):
        create(f"local-dir:{tmp_path}")


def test_weights_in_several_files_are_refused(tmp_path):
    for number in (1, 2):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").touch()
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with refused(WeightsError, hint="save_pretrained"):
        create(f"local-dir:{tmp_path}")


def test_a_configuration_that_is_no_json_is_refused(save):
    path = save(folder="weights", file="model.safetensors")
    (path.parent / "config.json").write_text("{")
    with refused(WeightsError, where="config.json"):
        create(f"local-dir:{path.parent}")
    (path.parent / "config.json").write_text(json.dumps(["a list"]))
    create(f"local-dir:{path.parent}")


def test_a_network_without_default_weights_says_what_to_pass():
    with refused(WeightsError, where=NAME, expected=".safetensors"):
        networks.create(NAME)
