import threading

import pytest
import torch

from fewact.lab.networks import devices
from fewact.lab.networks.devices import (
    exact_convolutions,
    multiplies_bfloat16,
    resolve_device,
    resolve_precision,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("native", [True, False])
def test_auto_depends_on_the_cpu(monkeypatch, native):
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: native)
    assert resolve_precision("auto", CPU) == (devices.AUTO_PRECISION if native else "float32")
    assert resolve_precision("auto", torch.device("cuda")) == "float32"
    assert resolve_precision("bfloat16", CPU) == "bfloat16"


def test_a_torch_without_its_private_probes_means_float32(monkeypatch):
    def fails():
        raise RuntimeError

    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", fails, raising=False)
    assert multiplies_bfloat16() is False


def test_one_probe_is_enough(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert multiplies_bfloat16() is True


@pytest.mark.parametrize("gpu", [True, False])
def test_the_device_is_a_gpu_where_there_is_one(monkeypatch, gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert resolve_device("auto").type == ("cuda" if gpu else "cpu")


def test_convolutions_are_exact_until_the_last_thread_is_done():
    """One that is done first does not set back what another one still needs."""
    gpu, cudnn = torch.device("cuda"), torch.backends.cudnn
    inside, done = threading.Event(), threading.Event()

    def other():
        with exact_convolutions(gpu):
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    before = cudnn.allow_tf32, cudnn.deterministic
    assert before == (True, False)
    with exact_convolutions(gpu):
        thread.start()
        inside.wait(10)
    assert (cudnn.allow_tf32, cudnn.deterministic) == (False, True)
    done.set()
    thread.join()
    assert (cudnn.allow_tf32, cudnn.deterministic) == before


def test_on_a_cpu_nothing_is_set():
    with exact_convolutions(CPU):
        assert torch.backends.cudnn.allow_tf32
