"""Which engine is used, and the check of graphs that come with fewact."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fewact import networks
from fewact.core.errors import OptionError, WeightsError
from fewact.lab.networks.efficientnet_lite import EfficientNetLite0
from fewact.lab.networks.mobilenet_v2 import MobileNetV2
from fewact.lab.networks.resnet import ResNet50
from fewact.networks import Backbone, engines


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


@pytest.fixture
def no_check(monkeypatch):
    """Fail where graphs are checked: those in the cache folder were checked before."""

    def run():
        def refuse(*_):
            raise AssertionError("checked again")

        monkeypatch.setattr(engines, "disagreement", refuse)

    return run


def create(engine: str = "auto", **options: str) -> Backbone:
    return networks.create(device="cpu", engine=engine, **{"precision": "float32"} | options)


def test_auto_is_onnx_in_float32(folder):
    made = create()
    assert (made.card.engine, made.why) == ("onnx", "the fastest in float32")


@pytest.mark.parametrize("name", ["auto", "torch"])
def test_bfloat16_is_computed_by_torch(folder, name):
    assert create(name, precision="bfloat16").card.engine == "torch"
    assert not folder.exists()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("gains", [True, False])
def test_the_default_depends_on_the_cpu_and_the_network(folder, monkeypatch, native, gains):
    monkeypatch.setattr(engines, "multiplies_bfloat16", lambda: native)
    monkeypatch.setattr(EfficientNetLite0, "gains_from_bfloat16", gains)
    card = create(precision="auto").card
    assert (card.precision, card.engine) == (
        ("bfloat16", "torch") if native and gains else ("float32", "onnx")
    )
    assert create("onnx", precision="auto").card.precision == "float32"
    exact = "bfloat16" if native else "float32"
    assert create("torch", precision="auto").card.precision == exact


def test_the_default_network_gains_nothing_from_bfloat16():
    networks = (EfficientNetLite0, MobileNetV2, ResNet50)
    gains = {one.defaults.name: one.gains_from_bfloat16 for one in networks}
    assert gains == {"efficientnet-lite0": False, "mobilenet-v2": False, "resnet50": True}


@pytest.mark.parametrize("style", ["torchvision", "tensorflow"])
def test_graphs_of_both_styles_come_with_fewact(folder, style):
    made = networks.create("mobilenet-v2", weights="random", device="cpu", style=style)
    assert (made.card.precision, made.card.engine) == ("float32", "onnx")


def test_a_passed_check_is_remembered(folder, no_check):
    create()
    (passed,) = folder.iterdir()
    assert passed.read_bytes() == b""
    no_check()
    assert create().card.engine == "onnx"


def test_other_weights_are_checked_for_themselves(folder):
    create()
    create(weights="random")
    assert len(list(folder.iterdir())) == 2


def test_graphs_are_checked_on_each_processor_that_shares_the_cache(folder, monkeypatch):
    create()
    monkeypatch.setattr(engines.platform, "machine", lambda: "another")
    create()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    create()
    assert len(list(folder.iterdir())) == 3


def test_a_graph_that_disagrees_with_torch_is_not_used(folder, monkeypatch):
    monkeypatch.setitem(engines.TOLERANCES, "float32", (1e-9, 0.9999))
    made = create()
    assert made.card.engine == "torch"
    assert "differ from those of torch (shallow: largest relative difference" in made.why
    with pytest.raises(OptionError, match="differ from those of torch"):
        create("onnx")
    assert not folder.exists()


def test_a_fault_is_not_remembered(folder, monkeypatch):
    with monkeypatch.context() as patched:

        def fail(*_):
            raise RuntimeError("Exception during initialization: std::bad_alloc")

        patched.setattr(engines, "disagreement", fail)
        made = create()
        assert made.card.engine == "torch"
        assert "its graph cannot be run (Exception during initialization" in made.why
    assert create().card.engine == "onnx"


def test_without_a_cache_folder_graphs_are_checked_each_time(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("FEWACT_CACHE", str(file / "cache"))
    assert create().card.engine == "onnx"


@pytest.mark.parametrize("content", [b"no graph", None])
def test_a_graph_that_cannot_be_read_is_not_used(folder, monkeypatch, content):
    graphs = engines.read_graphs(engines.PACKAGED / "efficientnet-lite0")

    def read(_):
        if content is None:
            raise WeightsError("this graph is damaged", where="late.onnx")
        return (replace(graphs[0], content=content),)

    monkeypatch.setattr(engines, "read_graphs", read)
    expected = "late.onnx: this graph is damaged" if content is None else "its graph cannot be run"
    assert expected in create().why
    assert not folder.exists()


def test_a_damaged_graph_is_noticed(tmp_path):
    folder = tmp_path / "graphs"
    shutil.copytree(engines.PACKAGED / "efficientnet-lite0", folder)
    path = folder / "late.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"late\.onnx: this graph is damaged"):
        engines.read_graphs(folder)


def test_without_onnx_runtime_torch_is_used(folder, monkeypatch):
    monkeypatch.setattr(engines, "PACKAGE", "no_such_package_of_a_runtime")
    made = create()
    assert (made.card.engine, made.why) == (
        "torch",
        "onnxruntime is not installed. Run: pip install onnxruntime",
    )
    with pytest.raises(OptionError, match=r"not installed.*pip install onnxruntime"):
        create("onnx")


def test_onnx_runtime_may_come_from_another_package(folder, monkeypatch, tmp_path):
    """Such as ``onnxruntime-gpu``, whose version is not that of a package ``onnxruntime``."""
    (tmp_path / "other_runtime.py").write_text("from onnxruntime import *\n__version__ = '1.30'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(engines, "PACKAGE", "other_runtime")
    assert create().card.engine == "onnx"


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_onnx_runtime_that_cannot_be_loaded_is_not_remembered(
    folder, monkeypatch, tmp_path, precision
):
    (tmp_path / "broken_runtime.py").write_text('raise ImportError("DLL load failed")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(engines, "PACKAGE", "broken_runtime")
    with pytest.raises(OptionError, match=r"onnxruntime cannot be loaded \(DLL load failed\)"):
        create("onnx", precision=precision)
    assert not folder.exists()


def test_other_networks_are_computed_by_torch(folder):
    class Edited(EfficientNetLite0):
        """It has the tensors of the default network, and may compute something else."""

    resnet = networks.create("resnet50", weights="random", device="cpu", precision="float32")
    default = create()
    edited = Edited(default.network.options).eval()
    engine, why = engines.choose(edited, default.card, "auto")
    for name, reason in ((resnet.card.engine, resnet.why), (engine.name, why)):
        assert (name, reason) == ("torch", "no graph of this network comes with fewact")
    with pytest.raises(OptionError, match=r'no graph of this network .*Use engine "auto"'):
        networks.create("resnet50", weights="random", device="cpu", engine="onnx")
