"""Devices and precisions of PyTorch, and exact convolutions on a GPU."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch

from fewact.core.errors import OptionError
from fewact.networks.card import (
    DEVICES,
    PRECISIONS,
    Device,
    Precision,
    check_device_name,
    check_name,
)

AUTO_PRECISION: Precision = "bfloat16"
"""Precision ``auto`` on a CPU with bfloat16 instructions, for networks that gain from it."""


def resolve_device(device: Device | torch.device) -> torch.device:
    """Return a device by name; "auto" is a CUDA GPU if there is one, otherwise the CPU.

    Raises:
        OptionError: There is no such device, or torch cannot use it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = check_device_name(str(device))
    try:
        resolved = torch.device(name)
        torch.empty(1, dtype=torch.float32, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(
            "the device is not available",
            where="device",
            got=f"{name!r}: {str(error).splitlines()[0][:80]}",
            expected=DEVICES,
            hint='"auto" is the GPU if torch can use it, else the CPU.',
        ) from None
    return resolved


def resolve_precision(precision: str, device: torch.device) -> Precision:
    """Return a precision by name; "auto" depends on the device."""
    if precision == "auto":
        return AUTO_PRECISION if device.type == "cpu" and multiplies_bfloat16() else "float32"
    return cast(Precision, check_name("precision", precision, PRECISIONS))


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions; without them float32 is faster."""
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        try:
            if getattr(torch.cpu, probe)():
                return True
        except (AttributeError, RuntimeError):
            continue  # Private functions, which are missing in other versions of torch.
    return False


def facts() -> dict[str, Any]:
    """Return what PyTorch finds on this machine, for ``fewact doctor``."""
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,  # with the build
        "threads": torch.get_num_threads(),
        "gpus": [
            {"name": gpu.name, "memory_gib": round(gpu.total_memory / 2**30, 1)} for gpu in gpus
        ],
        "mps": torch.backends.mps.is_available(),
        "cpu_bfloat16": multiplies_bfloat16(),
    }


class _Exact:
    """Setting of all threads: the first one inside sets it, the last one restores it."""

    def __init__(self) -> None:
        self._lock, self._inside, self._restore = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                flags = torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                )
                self._restore.enter_context(flags)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore.close()


_EXACT = _Exact()


@contextmanager
def exact_convolutions(device: torch.device) -> Iterator[None]:
    """Compute convolutions of a GPU in float32, each time with the same result, inside of ``with``.

    By default torch rounds their inputs to ten bits (TF32).
    """
    if device.type != "cuda":
        yield
        return
    _EXACT.enter()
    try:
        yield
    finally:
        _EXACT.leave()
