"""Devices, precisions and engines; names are checked without loading torch, which takes seconds."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from fewact.core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import torch

Device: TypeAlias = "str | torch.device"
"""Name of a device, or torch's own."""

Precision = Literal["float32", "bfloat16", "int8"]

ENGINES: Final = ("auto", "torch", "onnx")
PRECISIONS: Final = ("auto", "float32", "bfloat16", "int8")

DEVICES: Final = '"auto", "cpu", "cuda", "cuda:0", "mps", …'
OTHER_NAMES: Final = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "rocm": "cuda",
    "amd": "cuda",
    "metal": "mps",
    "apple": "mps",
    "0": "cuda:0",
}
"""Names that people use for devices, and torch's."""


def check_device_name(name: str) -> str:
    """Return the name of a device if torch could know it.

    Raises:
        OptionError: It is another name of a device, or no name at all.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    torch_name = OTHER_NAMES.get(name.lower())
    if torch_name is None and re.fullmatch(r"[a-z]+(:[0-9]+)?", name):
        return name
    raise OptionError(
        "there is no such device",
        where="device",
        got=repr(name),
        expected=DEVICES,
        hint=f'Did you mean "{torch_name}"?' if torch_name else "",
    )


def check_name(what: str, name: str, choices: tuple[str, ...]) -> str:
    """Return a name of an option that has few values.

    Raises:
        OptionError: It is none of them.
    """
    if name not in choices:
        raise OptionError(
            f"there is no such {what}",
            where=what,
            got=repr(name),
            expected=", ".join(f'"{choice}"' for choice in choices),
            hint=did_you_mean(str(name), choices),
        )
    return name


# "auto" on a CPU with bfloat16 instructions, for networks that gain from it; elsewhere "auto" is
# float32. On the development clips bfloat16 changes the default method's accuracy by at most 0.2
# points.
AUTO_PRECISION: Precision = "bfloat16"


def resolve_device(device: Device) -> "torch.device":
    """Return a device by name; "auto" is a CUDA GPU if there is one, otherwise the CPU.

    Raises:
        OptionError: There is no such device, or torch cannot use it.
    """
    import torch

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


def resolve_precision(precision: str, device: "torch.device") -> Precision:
    """Return a precision by name; "auto" depends on the device.

    Raises:
        OptionError: There is no such precision.
    """
    if precision == "auto":
        return AUTO_PRECISION if device.type == "cpu" and multiplies_bfloat16() else "float32"
    return cast(Precision, check_name("precision", precision, PRECISIONS))


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has bfloat16 instructions; without them float32 is faster."""
    import torch

    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        try:
            if getattr(torch.cpu, probe)():
                return True
        except (AttributeError, RuntimeError):
            continue  # Private functions, which are missing in other versions of torch.
    return False


class _Exact:
    """Setting of all threads: the first one inside sets it, the last one restores it."""

    def __init__(self) -> None:
        self._lock, self._inside, self._restore = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        import torch

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
def exact_convolutions(device: "torch.device") -> Iterator[None]:
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
