"""Weights of modules: loaded all or none, and hashed as by the core."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.core.arrays import save_tensors
from fewact.core.errors import WeightsError
from fewact.lab import networks as lab
from fewact.lab.networks.torch_weights import as_arrays, as_tensors, digest, tensors_of
from fewact.networks.weights import read
from tests.refused import refused

NAME = "mobilenet-v2"
KEY = "features.3.conv.1.0.weight"


def test_a_file_gives_the_weights_that_are_in_it(tmp_path: Path, random_backbone) -> None:
    tensors = tensors_of(random_backbone(NAME).network)
    path = tmp_path / "net.safetensors"
    path.write_bytes(save_tensors(as_arrays(tensors)))
    made = lab.create(NAME, weights=path, device="cpu")
    for name, tensor in tensors.items():
        assert torch.equal(made.network.state_dict()[name], tensor), name
    card = networks.create(NAME, weights=path, device="cpu").card
    assert card.weights_sha256 == made.card.weights_sha256 == digest(tensors)
    with refused(WeightsError, what="resnet50", where="net.safetensors"):
        lab.create("resnet50", weights=path)


def test_a_failed_load_leaves_the_network_as_it_was(tmp_path: Path, random_backbone) -> None:
    tensors = as_arrays(tensors_of(random_backbone(NAME).network))
    path = tmp_path / "net.safetensors"
    path.write_bytes(save_tensors(tensors))
    made = lab.create(NAME, weights=path, device="cpu")
    before = digest(tensors_of(made.network))
    changes = {name: tensor + 1 for name, tensor in tensors.items() if "bias" in name}
    changes[KEY] = np.full((144, 1, 3, 3), np.nan, np.float32)
    path.write_bytes(save_tensors(tensors | changes))
    with pytest.raises(WeightsError):
        made.network.load(read(path))
    assert digest(tensors_of(made.network)) == before


def test_a_network_without_default_weights_says_what_to_pass() -> None:
    for name in ("resnet50", "clip-rn50"):
        with pytest.raises(WeightsError) as raised:
            networks.create(name)
        assert raised.value.where == name


def test_arrays_that_cannot_be_written_to_become_tensors() -> None:
    array = np.arange(6.0).reshape(2, 3).T
    array.setflags(write=False)
    found = as_tensors({"a": array, "b": np.array(3.0)})
    assert found["a"].tolist() == array.tolist()
    assert found["b"].shape == ()
