"""Devices of a run."""

import pytest
import torch
from lightning_fabric.accelerators import cuda

from fewact.lab.training import fabric
from fewact.lab.training.fabric import decoding_processes, make_fabric


def test_no_advice_to_compute_less_exactly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_fabric("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(cuda, "_is_ampere_or_later", lambda device: True)
    cuda._check_cuda_matmul_precision.cache_clear()
    with caplog.at_level("INFO"):
        cuda._check_cuda_matmul_precision(torch.device("cuda"))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("cores", "per_node", "expected"), [(4, None, 4), (64, None, 8), (16, "4", 4), (2, "4", 1)]
)
def test_processes_that_decode_for_a_gpu(
    monkeypatch: pytest.MonkeyPatch, cores: int, per_node: str | None, expected: int
) -> None:
    monkeypatch.setattr(fabric, "usable_cores", lambda: cores)
    if per_node is not None:
        monkeypatch.setattr(fabric, "_started", lambda: (int(per_node), 1))
    assert decoding_processes("cpu") == 0
    monkeypatch.setattr(fabric, "resolve_device", lambda name: torch.device("cuda", 0))
    assert decoding_processes("auto") == expected
