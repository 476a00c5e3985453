"""The default weights: pinned by their hash, and never unpickled."""

import importlib
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.core.errors import WeightsError
from fewact.networks.packaged import PACKAGED_NETWORKS, read_table
from fewact.networks.packaged.pinned import LITE0_FILE, LITE1_FILE, PinnedFile
from fewact.networks.weights import digest

PAIR = "efficientnet-lite0-lite1"


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
