"""Tensors in files that come with the package."""

import hashlib
from importlib.resources import files

from safetensors.torch import load
from torch import Tensor

from fewact.core.errors import WeightsError


def packaged_tensors(package: str, file: str, sha256: str, what: str) -> dict[str, Tensor]:
    """Return the tensors of a file that comes with the package.

    Args:
        package: Package that has the file.
        file: Name of the file, in the format of safetensors.
        sha256: Its SHA-256.
        what: What it has, for the message.

    Raises:
        WeightsError: It is another file.
    """
    content = files(package).joinpath(file).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise WeightsError(
            f"{what} are not the expected file",
            where=file,
            got=f"SHA-256 {found}",
            expected=sha256,
            hint="Install fewact again.",
        )
    return load(content)
