"""Checkpoints of CLIP-SPM's public code, converted to checkpoints of fewact."""

import hashlib
import io
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from fewact import backbones, methods
from fewact.backbones.spec import check_name
from fewact.backbones.weights import PICKLES, put
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OutputError, WeightsError
from fewact.core.paths import user_path
from fewact.core.tensors import read_tensors
from fewact.data.benchmarks import benchmark
from fewact.evaluation.checkpoint import FILE, WITHIN, Header, TrainedOn, to_bytes
from fewact.methods.base import Method
from fewact.methods.clip_spm import PRESETS
from fewact.training.recipe import read

STATE: Final = "model_state_dict"
"""Name of the weights in a file of the public code."""

NETWORKS = {"backbone.proj": "clip-vit-b16", "backbone.attnpool.c_proj.weight": "clip-rn50"}
"""Network by a tensor that it alone has."""

HEADS = 8
"""Number of heads of each transformer of the public code; no tensor shows it."""

EXPECTED = "a .safetensors file with the tensors of a checkpoint of CLIP-SPM's public code"
CHECKPOINT = FileType("checkpoint of CLIP-SPM's public code", WeightsError, 16 * GIB, EXPECTED)

UNUSED = ("scale",)
"""Weights that the public code keeps and does not use."""

PROJECTIONS = (".fn.to_q", ".fn.to_k", ".fn.to_v")
"""Three layers of a transformer, which are one in fewact."""

NAMES = {
    "motion_conv1": "hsmr.first",
    "motion_conv2": "hsmr.second",
    "gate_text.0": "spm.text_gate.first",
    "gate_text.2": "spm.text_gate.second",
    "gate_vision.0": "spm.frame_gate.first",
    "gate_vision.2": "spm.frame_gate.second",
    "token_tr.mlp.net.0": "spm.prompter.0",
    "token_tr.mlp.net.3": "spm.prompter.3",
    **{
        f"{theirs}.layers.0.{part}": f"{ours}.transformer.{name}"
        for theirs, ours in (("context1", "padm"), ("context2", "spm"))
        for part, name in (
            ("0.norm", "norm"),
            ("0.fn.to_out.0", "out"),
            ("1.net.0", "widen"),
            ("1.net.3", "narrow"),
        )
    },
}
"""Names of layers in fewact by their names in the public code."""


class _Ignored:
    """Takes the place of NumPy's numbers in a file, such as the accuracy, which are not needed."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


IGNORED = (
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype"),
    *("numpy.dtypes.Float64DType", "numpy.dtypes.Float32DType"),
)
"""Names under which NumPy's numbers are in a file."""


@dataclass(frozen=True)
class Published:
    """Checkpoint of the public code.

    Args:
        source: Name and SHA-256 of its file.
        tensors: Weights by their names in the public code.
    """

    source: str
    tensors: Mapping[str, Tensor]

    @property
    def network(self) -> str:
        """Name of its image encoder.

        Raises:
            WeightsError: It has neither of the public code's encoders.
        """
        network = next((name for tensor, name in NETWORKS.items() if tensor in self.tensors), None)
        if network is None:
            raise WeightsError(
                "there is no image encoder of CLIP-SPM's public code",
                where=self.source,
                got=", ".join(sorted(self.tensors)[:3]),
                expected=", ".join(NETWORKS),
            )
        return network

    def encoder(self) -> dict[str, Tensor]:
        """Return the image encoder under OpenAI's names."""
        prefix = "backbone."
        return {
            f"visual.{name.removeprefix(prefix)}": tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    def head(self) -> dict[str, Tensor]:
        """Return the method's weights under the names of ``clip_spm``."""
        tensors: dict[str, Tensor] = {}
        for name, tensor in self.tensors.items():
            layer, _, parameter = name.rpartition(".")
            if name.startswith("backbone.") or name in UNUSED or layer.endswith(PROJECTIONS):
                continue
            if name == "mo_alpha1":
                tensors["motion_weight"] = tensor.reshape(())
            else:
                tensors[f"{NAMES.get(layer, layer)}.{parameter}"] = tensor
        for theirs, ours in (("context1", "padm"), ("context2", "spm")):
            parts = [f"{theirs}.layers.0.0{projection}.weight" for projection in PROJECTIONS]
            projections = [self.tensors[part] for part in parts if part in self.tensors]
            if len(projections) == len(parts):
                tensors[f"{ours}.transformer.project.weight"] = torch.cat(projections)
        return tensors


def read_published(file: str | Path, sha256: str | None) -> Published:
    """Read a checkpoint of the public code.

    Args:
        file: A .safetensors file; or a file of ``torch.save``, of which nothing but tensors, texts
            and numbers is read.
        sha256: SHA-256 of the file, required for a file of ``torch.save``.

    Raises:
        WeightsError: The file cannot be read, has another hash, or holds something else.
    """
    path = user_path(file, WeightsError)
    tensors: Mapping[str, Any]
    if path.suffix.lower() not in PICKLES:
        mapped, _ = read_tensors(CHECKPOINT, path)
        tensors, source = {name: value.clone() for name, value in mapped.items()}, path.name
    else:
        content = CHECKPOINT.content(path)
        actual = hashlib.sha256(content).hexdigest()
        if actual != (sha256 or "").lower():
            raise WeightsError(
                "a file of torch.save is read only if its SHA-256 is known",
                where=str(path),
                got=actual,
                expected=sha256 or "--sha256",
                hint="Compare it with that of the file's source, and pass --sha256.",
            )
        tensors, source = _weights_only(content, path), f"{path.name}, SHA-256 {actual}"
    short = {re.sub(r"^backbone\.module\.", "backbone.", name): x for name, x in tensors.items()}
    return Published(source, {name: value.float() for name, value in short.items()})


def _weights_only(content: bytes, path: Path) -> Mapping[str, Tensor]:
    """Return the weights in a file of ``torch.save``, read without running what it names."""
    try:
        with torch.serialization.safe_globals([(_Ignored, name) for name in IGNORED]):
            saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged files raise errors of zip, pickle, struct and torch.
        raise WeightsError(
            "the file has more than tensors, or is damaged",
            where=str(path),
            got=" ".join(str(error).split())[:200],
            expected=EXPECTED,
        ) from None
    state = saved.get(STATE, saved) if isinstance(saved, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        raise WeightsError(
            "there are no weights in the file",
            where=str(path),
            got=", ".join(map(str, saved)) if isinstance(saved, Mapping) else type(saved).__name__,
            expected=f"tensors by name, or a dictionary of them named {STATE}",
        )
    return state


def convert(
    file: str | Path,
    folder: str | Path,
    trained_on: str,
    *,
    sha256: str | None = None,
) -> Header:
    """Convert a checkpoint of CLIP-SPM's public code to the folder of a checkpoint.

    Args:
        file: File, as for ``read_published``.
        folder: Folder that is created; in an existing one only the checkpoint is replaced.
        trained_on: Benchmark of the checkpoint, one of ``PRESETS``: it decides the weight of texts
            and the slope of the gates, which no tensor shows.
        sha256: SHA-256 of the file, required for a file of ``torch.save``.

    Returns:
        Metadata of the checkpoint.

    Raises:
        WeightsError: The file cannot be read, or its weights are of something else.
        OptionError: The benchmark is unknown.
        OutputError: The folder cannot be written.
    """
    check_name("benchmark", trained_on, tuple(PRESETS))
    published = read_published(file, sha256)
    name, head = published.network, published.head()
    recipe = read(f"clip_spm-{trained_on}-clip-vit-b16")
    method = _method(head, recipe.method.options, published.source)
    bench = benchmark(recipe.data)
    backbone = recipe.backbone.model_copy(
        update={"name": name, "weights": WITHIN, "precision": "float32"}
    )
    facts = {
        # The public code scales pixels to [0, 1], and subtracts nothing.
        **{"mean": "0, 0, 0", "std": "1, 1, 1"},
        "trained_on": ", ".join((*backbones.describe(name).trained_on, bench.id)),
    }

    encoder = published.encoder()
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary, "network.safetensors")
        weights.write_bytes(save_tensors(encoder, facts))
        on_cpu = {"weights": str(weights), "engine": "torch", "device": "cpu"}
        card = backbone.model_copy(update=on_cpu).create().card
    if card.vectors != method.options.vector_width:
        raise WeightsError(
            "image encoder and method have vectors of different lengths",
            where=published.source,
            got=f"{card.vectors} and {method.options.vector_width}",
        )
    registry_name, options = methods.registered(method)
    header = Header(
        name=registry_name,
        options=options,
        temperature=1.0,
        recipe="",
        backbone=backbone,
        network_digest=card.network_digest,
        trained_on=TrainedOn(
            name=bench.id,
            sha256=bench.sha256["train"],
            videos={label.key: () for label in bench.classes["train"]},
        ),
        origin=f"public code of CLIP-SPM, {published.source}",
    )
    target = user_path(folder, OutputError) / FILE
    write_bytes(target, to_bytes(method, header, encoder, facts))
    return header


def _method(head: Mapping[str, Tensor], options: Mapping[str, Any], source: str) -> Method:
    """Return the method with the weights of the public code, of their sizes.

    Raises:
        WeightsError: The weights are of something else, or of another benchmark.
    """
    parts = ("text_gate.first", "transformer.project", "transformer.widen")
    needed = [f"spm.{part}.weight" for part in parts]
    for tensor in needed:
        if tensor not in head or head[tensor].ndim != 2:
            raise WeightsError(
                "there is no head of CLIP-SPM's public code", where=source, got=f"no {tensor}"
            )
    gate, project, widen = (head[tensor] for tensor in needed)
    sizes = {
        "vector_width": gate.shape[1],
        "head_width": project.shape[0] // (3 * HEADS),
        "hidden": widen.shape[0],
    }
    fitting = [
        name
        for name, preset in PRESETS.items()
        if int(preset.text_gate * gate.shape[1]) == len(gate)
    ]
    if fitting and options["preset"] not in fitting:
        raise WeightsError(
            "the gate of texts has the width of another benchmark",
            where=source,
            got=f"{options['preset']}, width {len(gate)}",
            expected=", ".join(fitting),
        )
    method = methods.create("clip_spm", **{**options, **sizes, "heads": HEADS, "protocol": "joint"})
    put(head, method, of=f"CLIP-SPM for {options['preset']}", source=source, expected=EXPECTED)
    return method
