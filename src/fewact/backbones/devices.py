"""Names of devices and engines; checked without torch, which takes seconds to import."""

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from fewact.core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import torch

Device: TypeAlias = "str | torch.device"
"""Name of a device, or torch's own."""

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
