"""Which engine is used, and the graphs in the cache folder."""

import errno
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fewact import backbones
from fewact.backbones import Backbone, precision
from fewact.backbones.efficientnet_lite import EfficientNetLite0
from fewact.backbones.engines import checking, choosing, export
from fewact.backbones.mobilenet_v2 import MobileNetV2
from fewact.backbones.resnet50 import ResNet50
from fewact.core.errors import OptionError


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FEWACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


@pytest.fixture
def no_check(monkeypatch):
    """Fail where graphs are checked: those in the cache folder were checked before."""

    def run():
        def refuse(*_):
            raise AssertionError("checked again")

        monkeypatch.setattr(choosing, "disagreement", refuse)

    return run


def create(engine: str = "auto", **options: str) -> Backbone:
    return backbones.create(device="cpu", engine=engine, **{"precision": "float32"} | options)


def files(folder: Path) -> dict[str, bytes]:
    (made,) = folder.iterdir()
    return {path.name: path.read_bytes() for path in made.iterdir()}


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
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: native)
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
def test_graphs_of_both_styles_come_with_fewact(folder, monkeypatch, style):
    monkeypatch.setattr(choosing, "missing_packages", lambda: ["onnx"])
    made = backbones.create("mobilenet-v2", weights="random", device="cpu", style=style)
    assert (made.card.precision, made.card.engine) == ("float32", "onnx")


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match=r'"auto", "torch", "onnx"'):
        create("tensorrt")
    with pytest.raises(OptionError, match=r'Did you mean "onnx"\?'):
        create("onx")


def test_onnx_is_refused_where_it_does_not_run():
    with pytest.raises(OptionError, match=r"a CPU only, in float32 or int8.*precision bfloat16"):
        create("onnx", precision="bfloat16")
    with pytest.raises(OptionError, match=r"a CPU only, in float32 or int8.*device cuda"):
        choosing.check_request("onnx", "auto", torch.device("cuda"))


def test_checked_graphs_are_kept(folder, no_check):
    create()
    before = files(folder)
    assert before.keys() == {"graphs.json", "shallow.onnx", "middle.onnx", "late.onnx"}
    no_check()
    assert create().card.engine == "onnx"
    assert files(folder) == before


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def lead_out(path: Path) -> None:
    path.write_text(path.read_text().replace('"middle"', '"../middle"'))


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("late.onnx", damage_bit),
        ("middle.onnx", cut_short),
        ("middle.onnx", Path.unlink),
        ("graphs.json", cut_short),
        ("graphs.json", lead_out),
    ],
)
def test_damaged_graphs_are_made_again(folder, name, harm):
    create()
    before = files(folder)
    (made,) = folder.iterdir()
    harm(made / name)
    assert files(folder) != before
    assert create().card.engine == "onnx"
    assert files(folder) == before


def test_kept_graphs_that_cannot_be_read_are_made_again(folder, monkeypatch, caplog):
    create()
    run, failures = choosing.OnnxEngine, [RuntimeError("unknown opset\nin layer 3")]

    def engine(*arguments):
        if failures:
            raise failures.pop()
        return run(*arguments)

    monkeypatch.setattr(choosing, "OnnxEngine", engine)
    with caplog.at_level("DEBUG", "fewact"):
        assert create().card.engine == "onnx"
    (made,) = folder.iterdir()
    assert caplog.messages == [f"graphs in {made} cannot be used: unknown opset"]


def test_other_weights_are_checked_for_themselves(folder):
    create()
    create(weights="random")
    assert len(list(folder.iterdir())) == 2


LAYER = """
from torch import nn
from torch.nn import functional as F

class Layer(nn.Conv2d):
    def forward(self, images):
        return F.{}(super().forward(images))
"""


def test_graphs_of_an_edited_network_are_made_again(folder, monkeypatch, tmp_path):
    """Neither names nor values of its tensors show what the code computes from them."""
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for activation in ("relu", "gelu", "relu"):
        (tmp_path / "edited_layer.py").write_text(LAYER.format(activation))
        monkeypatch.delitem(sys.modules, "edited_layer", raising=False)
        importlib.invalidate_caches()
        layer = importlib.import_module("edited_layer").Layer(3, 8, 1)
        keys.append(choosing.code_of(torch.nn.Sequential(layer)))
    assert keys[0] == keys[2] != keys[1]
    create()
    monkeypatch.setattr(choosing, "code_of", lambda network: keys[1])
    create()
    assert len(list(folder.iterdir())) == 2


def test_graphs_of_a_network_of_a_notebook_are_not_kept(folder, monkeypatch):
    class Layer(torch.nn.Identity):
        pass

    monkeypatch.setattr(Layer, "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    assert choosing.code_of(Layer()) is None
    monkeypatch.setattr(choosing, "code_of", lambda network: None)
    assert create().card.engine == "onnx"
    assert not folder.exists()


def test_graphs_are_checked_on_each_processor_that_shares_the_cache(folder, monkeypatch):
    create()
    monkeypatch.setattr(choosing.platform, "machine", lambda: "another")
    create()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    create()
    assert len(list(folder.iterdir())) == 3


def test_a_graph_that_disagrees_with_torch_is_not_used(folder, monkeypatch, no_check):
    strict = checking.Tolerance(difference=1e-9, cosine=0.9999)
    monkeypatch.setitem(checking.TOLERANCES, "float32", strict)
    made = create()
    assert made.card.engine == "torch"
    assert "differ from those of torch (shallow: largest relative difference" in made.why
    no_check()
    with pytest.raises(OptionError, match="differ from those of torch"):
        create("onnx")


def wrapped(cause: BaseException) -> RuntimeError:
    """What torch's exporter raises for an error of another package."""
    error = RuntimeError("Error calling serialize_model_into")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("Exception during initialization: std::bad_alloc"), True),
        (wrapped(MemoryError()), True),
        (wrapped(TypeError("an operation that ONNX does not have")), False),
    ],
)
def test_a_fault_that_may_pass_is_not_remembered(folder, monkeypatch, error, passes):
    with monkeypatch.context() as patched:

        def fail(*_):
            raise error

        patched.setattr(choosing, "disagreement", fail)
        made = create()
        assert made.card.engine == "torch"
        reason = str(error.__cause__ or error)
        assert (reason or "MemoryError") in made.why
    assert create().card.engine == ("onnx" if passes else "torch")


def test_a_failed_export_says_how_to_try_it_again(folder, monkeypatch):
    def fail(*_):
        raise RuntimeError("Failed to serialize proto")

    monkeypatch.setattr(choosing, "missing_packages", lambda: [])
    monkeypatch.setattr(choosing, "export", fail)
    resnet = {"weights": "random", "device": "cpu", "precision": "float32"}
    assert "Failed to serialize" in backbones.create("resnet50", **resnet).why
    with pytest.raises(OptionError, match="Failed to serialize") as refused:
        backbones.create("resnet50", engine="onnx", **resnet)
    (made,) = folder.iterdir()
    assert f"to try again, delete {made}" in str(refused.value)


def test_without_a_cache_folder_graphs_are_checked_each_time(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("FEWACT_CACHE", str(file / "cache"))
    assert create().card.engine == "onnx"


def test_a_file_that_is_no_graph_is_not_used(folder, monkeypatch, tmp_path):
    wrong = tmp_path / "packaged"
    graphs = choosing.read_graphs(choosing.PACKAGED / "efficientnet-lite0").graphs
    choosing.write_graphs(wrong / "efficientnet-lite0", (replace(graphs[0], content=b"no graph"),))
    monkeypatch.setattr(choosing, "PACKAGED", wrong)
    assert "cannot be exported or run" in create().why
    (made,) = folder.iterdir()
    assert "cannot be" in json.loads((made / "graphs.json").read_text())["failure"]


def test_without_onnx_runtime_torch_is_used(folder, monkeypatch):
    monkeypatch.setattr(choosing, "PACKAGE", "no_such_package_of_a_runtime")
    made = create()
    assert (made.card.engine, made.why) == (
        "torch",
        "onnxruntime is not installed. Run: pip install onnxruntime",
    )
    with pytest.raises(OptionError, match=r"not installed.*pip install onnxruntime"):
        create("onnx")


def test_onnx_runtime_may_come_from_another_package(folder, monkeypatch, tmp_path):
    """Such as ``onnxruntime-gpu``, whose version is not that of a package ``onnxruntime``."""
    (tmp_path / "other_runtime.py").write_text('__version__ = "1.30"\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(choosing, "PACKAGE", "other_runtime")
    assert create().card.engine == "onnx"


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_onnx_runtime_that_cannot_be_loaded_is_not_remembered(
    folder, monkeypatch, tmp_path, precision
):
    (tmp_path / "broken_runtime.py").write_text('raise ImportError("DLL load failed")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(choosing, "PACKAGE", "broken_runtime")
    with pytest.raises(OptionError, match=r"onnxruntime cannot be loaded \(DLL load failed\)"):
        create("onnx", precision=precision)
    assert not folder.exists()


def test_without_the_exporter_other_networks_use_torch(folder, monkeypatch):
    monkeypatch.setattr(export, "PACKAGES", ("no_such_exporter",))
    assert create().card.engine == "onnx"
    made = backbones.create("resnet50", weights="random", device="cpu", precision="float32")
    assert made.card.engine == "torch"
    assert "not installed (no_such_exporter)" in made.why
    with pytest.raises(OptionError, match=r"no_such_exporter.*pip install 'fewact\[onnx\]'"):
        backbones.create("resnet50", weights="random", device="cpu", engine="onnx")
