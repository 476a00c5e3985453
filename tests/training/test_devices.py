"""Devices of a run."""

import pytest
import torch
from lightning_fabric.accelerators import cuda

from fewact.training.devices import make_fabric


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
