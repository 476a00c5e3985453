"""Networks that come with fewact: their tensors, options, batch norms and default weights."""

import importlib
import math
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.core.errors import WeightsError
from fewact.core.options import NoOptions
from fewact.lab import networks as lab
from fewact.lab.networks.torch_engine import norms_of
from fewact.lab.networks.torch_weights import tensors_of
from fewact.networks.onnx_engine import read_graphs
from fewact.networks.packaged import (
    GRAPHS_FOLDER,
    LITE0_FILE,
    LITE1_FILE,
    PACKAGED_NETWORKS,
    MobileNetV2Options,
    Norm,
    PackagedNetwork,
    PinnedFile,
    folded,
    read_table,
)
from fewact.networks.weights import Weights, digest

PAIR = "efficientnet-lite0-lite1"

packaged = pytest.mark.parametrize("network", PACKAGED_NETWORKS.values(), ids=PACKAGED_NETWORKS)


@packaged
def test_tensors_and_norms_are_those_of_the_network_in_torch(network: PackagedNetwork) -> None:
    module = lab.create(network.description.name, weights="random", device="cpu").network
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors_of(module).items()}
    assert list(network.shapes.items()) == list(shapes.items())
    assert network.norms == list(norms_of(module))


@packaged
def test_graphs_name_every_folded_tensor(network: PackagedNetwork) -> None:
    options = network.resolve(network.Options(), Weights({}, "random"))
    graphs = read_graphs(GRAPHS_FOLDER / network.graph_name(options))
    tensors = folded({n: np.ones(s) for n, s in network.shapes.items()}, network.norms)
    assert {name for graph in graphs for name in graph.weights} == {
        f"network.{name}" for name in tensors
    }


def test_a_folded_convolution_contains_its_batch_norm() -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "c.weight": rng.normal(size=(4, 3, 3, 3)),
        "c.bias": rng.normal(size=4),
        **{f"n.{name}": rng.normal(size=4) for name in ("weight", "bias", "running_mean")},
        "n.running_var": rng.uniform(0.5, 2, 4),
        "other": rng.normal(size=2),
    }
    before = {name: tensor.copy() for name, tensor in tensors.items()}
    found = folded(tensors, [Norm("c", "n", 1e-3)])
    image = torch.from_numpy(rng.normal(size=(1, 3, 8, 8)))
    t = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    expected = torch.nn.functional.batch_norm(
        torch.nn.functional.conv2d(image, t["c.weight"], t["c.bias"]),
        *(t[f"n.{name}"] for name in ("running_mean", "running_var", "weight", "bias")),
        eps=1e-3,
    )
    got = torch.nn.functional.conv2d(
        image, *(torch.from_numpy(found[f"c.{name}"]) for name in ("weight", "bias"))
    )
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert found.keys() == {"c.weight", "c.bias", "other"}
    for name, tensor in before.items():
        np.testing.assert_array_equal(tensors[name], tensor)


@packaged
def test_random_weights_are_the_same_each_time(network: PackagedNetwork) -> None:
    name = network.description.name
    frames = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), np.uint8)
    first, second = (
        networks.create(name, weights="random", size=64).features(frames, ["maps"])["maps"]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("header", "option", "style"),
    [
        ({}, "auto", "torchvision"),
        ({"padding": "TensorFlow same"}, "auto", "tensorflow"),
        ({"padding": "symmetric"}, "auto", "torchvision"),
        ({"padding": "TensorFlow same"}, "torchvision", "torchvision"),
        ({}, "tensorflow", "tensorflow"),
    ],
)
def test_the_header_or_an_option_decides_the_padding(
    header: dict[str, str], option: str, style: str
) -> None:
    network = PACKAGED_NETWORKS["mobilenet-v2"]
    options = network.resolve(MobileNetV2Options(option), Weights({}, "file", header))  # type: ignore[arg-type]
    assert network.graph_name(options) == f"mobilenet-v2-{style}"
    assert math.isclose(network.describe(options).mean[0], 128 / 255) is (style == "tensorflow")


def test_other_networks_have_no_options() -> None:
    assert [network.Options for network in PACKAGED_NETWORKS.values()][:2] == [NoOptions, NoOptions]


@pytest.mark.parametrize(("pinned", "name"), [(LITE0_FILE, "lite0"), (LITE1_FILE, "lite1")])
def test_tensors_are_those_that_torch_unpickles(pinned: PinnedFile, name: str) -> None:
    table = read_table(f"efficientnet-{name}")
    found = pinned.read(table)
    origin = importlib.util.find_spec(pinned.package).origin  # type: ignore[union-attr]
    expected = torch.load(Path(str(origin)).parent / pinned.file, weights_only=True)
    for tensor, value in found.items():
        np.testing.assert_array_equal(value, expected[tensor].numpy())
    counters = {one for one in expected if one.endswith("num_batches_tracked")}
    assert expected.keys() - found.keys() == {"_fc.weight", "_fc.bias"} | counters
    assert digest(found) == pinned.tensors_sha256


def test_the_digest_of_a_pair_is_that_of_both() -> None:
    weights = PACKAGED_NETWORKS[PAIR].default_weights()
    assert weights.sha256 == digest(weights.tensors)
    card = networks.create(PAIR).card
    assert (card.weights_sha256, card.licence) == (weights.sha256, "Apache-2.0")


def test_another_file_in_the_package_is_refused_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "weights_of_a_stranger"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    torch.save({"_bn0.weight": torch.zeros(32)}, package / LITE0_FILE.file)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    other = replace(LITE0_FILE, package=package.name)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a pickle was read")

    for module, function in ((torch, "load"), (pickle, "load"), (pickle, "loads")):
        monkeypatch.setattr(module, function, refuse)
    table = read_table("efficientnet-lite0")
    with pytest.raises(WeightsError) as raised:
        other.read(table)
    assert raised.value.expected == LITE0_FILE.file_sha256
    assert LITE0_FILE.requirement in raised.value.hint
    (package / LITE0_FILE.file).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        other.read(table)


def test_a_missing_package_says_how_to_install_it() -> None:
    other = replace(LITE1_FILE, package="no_such_package_of_weights")
    with pytest.raises(WeightsError) as raised:
        other.content()
    assert LITE1_FILE.requirement in raised.value.hint


def test_the_packages_are_found_without_being_imported() -> None:
    packages = [one.package for one in (LITE0_FILE, LITE1_FILE)]
    for package in packages:
        sys.modules.pop(package, None)
    networks.create(PAIR)
    assert not set(packages) & sys.modules.keys()
