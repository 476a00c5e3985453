"""Which engine and device compute a network."""

from typing import Any

import pytest

from fewact import networks
from fewact.core import extras
from fewact.core.errors import ExtraError, OptionError
from fewact.networks import Backbone, building, onnx_engine
from fewact.networks.card import Device


def create(name: str = "auto", *, device: Device = "cpu", **options: Any) -> Backbone:
    return networks.create(name, weights="random", device=device, **options)


@pytest.mark.parametrize("engine", ["auto", "onnx"])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_packaged_networks_are_computed_by_onnx_runtime(engine: str, precision: str) -> None:
    for device in ("auto", "cpu"):
        made = create(engine=engine, precision=precision, device=device)
        assert (made.card.engine, made.card.precision, made.device) == ("onnx", "float32", "cpu")
        assert made.why == ("requested" if engine == "onnx" else "the fastest in float32")


@pytest.mark.parametrize(
    "options",
    [
        {"name": "resnet50"},
        {"name": "clip-vit-b16"},
        {"engine": "torch"},
        {"precision": "bfloat16"},
        {"device": "mps"},
        {"device": "cuda"},
    ],
    ids=lambda options: next(iter(options.values())),
)
def test_what_needs_the_lab_says_so(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(building, "has_cuda", lambda: False)
    with pytest.raises(ExtraError) as raised:
        create(**options)
    assert next(iter(options.values())) in str(raised.value)


@pytest.mark.parametrize("options", [{"engine": "onnx"}, {"precision": "int8"}])
def test_other_networks_have_no_graph(options: dict[str, str]) -> None:
    with pytest.raises(OptionError) as raised:
        create("resnet50", **options)
    assert raised.value.where == "resnet50"


def test_only_the_default_network_has_a_graph_in_int8() -> None:
    with pytest.raises(OptionError) as raised:
        create("mobilenet-v2", precision="int8")
    assert raised.value.where == "mobilenet-v2"


def test_a_gpu_is_used_where_onnx_runtime_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build for GPUs falls back to the CPU where it finds none; its session says so."""
    monkeypatch.setattr(building, "has_cuda", lambda: True)
    assert create(device="auto").device == "cpu"
    for engine in ("auto", "onnx"):
        with pytest.raises(OptionError) as raised:
            create(device="cuda:1", engine=engine)
        assert raised.value.where == "device"
    monkeypatch.setattr(onnx_engine, "has_cuda", lambda: True)
    requested = []

    class Session:
        def __init__(self, content: bytes, options: Any, providers: list[Any], **_: Any) -> None:
            requested.append(providers[0])

        def get_providers(self) -> list[str]:
            return [onnx_engine.CUDA_PROVIDER, onnx_engine.CPU_PROVIDER]

    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert create(device="auto").device == "cuda"
    assert create(device="cuda:1").device == "cuda:1"
    expected = [
        (onnx_engine.CUDA_PROVIDER, {"device_id": number, "use_tf32": "0"}) for number in "01"
    ]
    assert requested == [expected[0]] * 3 + [expected[1]] * 3


def test_an_unknown_option_of_a_network_is_refused() -> None:
    with pytest.raises(OptionError, match="style"):
        create("mobilenet-v2", stile="tensorflow")
    with pytest.raises(OptionError):
        create("mobilenet-v2", style="keras")
