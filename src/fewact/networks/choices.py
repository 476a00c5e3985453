"""Names of devices, precisions and engines, and checks of them."""

import re
from typing import Final, Literal, TypeAlias

from fewact.core.errors import OptionError, did_you_mean

Device: TypeAlias = str
"""Name of a device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, …"""

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
"""Names that people use for devices, and the names that engines know."""


def check_device_name(name: str) -> str:
    """Return the name of a device if an engine could know it.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    known_name = OTHER_NAMES.get(name.lower())
    if known_name is None and re.fullmatch(r"[a-z]+(:[0-9]+)?", name):
        return name
    raise OptionError(
        "there is no such device",
        where="device",
        got=repr(name),
        expected=DEVICES,
        hint=f'Did you mean "{known_name}"?' if known_name else "",
    )


def device_type(device: Device) -> str:
    """Return the type of a device.

    >>> device_type("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]


def check_name(what: str, name: str, choices: tuple[str, ...]) -> str:
    """Return the value of an option after checking that it is a choice."""
    if name not in choices:
        raise OptionError(
            f"there is no such {what}",
            where=what,
            got=repr(name),
            expected=", ".join(f'"{choice}"' for choice in choices),
            hint=did_you_mean(str(name), choices),
        )
    return name


def check_engine(engine: str, precision: str, device: Device) -> None:
    """Refuse ``onnx`` and int8 where they do not run; the device may be ``auto``."""
    got = f"engine {engine}, device {device}, precision {precision}"
    type_ = device_type(device)
    if engine == "onnx" and (type_ not in ("auto", "cpu", "cuda") or precision == "bfloat16"):
        raise OptionError(
            "the engine onnx runs on a CPU in float32 or int8, or on a CUDA GPU in float32",
            where="engine",
            got=got,
            hint='Use engine "auto" or "torch".',
        )
    if precision == "int8" and (type_ not in ("auto", "cpu") or engine == "torch"):
        raise OptionError(
            "int8 is computed by the engine onnx on a CPU only",
            where="precision",
            got=got,
            hint='Use precision "auto".',
        )
